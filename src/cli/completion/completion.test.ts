import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS, loadCommands } from '../registry.js';
import { Terminal } from '../terminal.js';
import { SCRIPTS } from './scripts.js';
import { completionTree, type CompletionCommand } from './tree.js';

let tree: readonly CompletionCommand[] = [];
let folder = '';
beforeAll(async () => {
  tree = completionTree(await loadCommands(new Terminal({ json: false, quiet: false })));
  folder = mkdtempSync(join(tmpdir(), 'fastv-completion-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const installed = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** What bash offers after these words. */
function offered(...words: readonly string[]): string[] {
  const file = join(folder, 'fastv.bash');
  writeFileSync(file, SCRIPTS.bash(tree));
  const line = ['fastv', ...words].map((word) => `'${word}'`).join(' ');
  const script = `source ${file}; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _fastv; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((word) => word !== '');
}

it('knows every command and its options, none that are hidden', () => {
  expect(tree.map(({ name }) => name)).toEqual(COMMANDS.map(({ name }) => name));
  const options = tree.find(({ name }) => name === 'eval')?.options.map(({ long }) => long);
  expect(options).toEqual(expect.arrayContaining(['--output', '--strategy', '--json']));
  expect(options).not.toContain('--out');
});

describe.runIf(installed('bash'))('bash', () => {
  it('completes commands, options, and values', () => {
    expect(offered('re')).toEqual(['rewrite', 'report']);
    expect(offered('run', '--over')).toEqual(['--overlay']);
    expect(offered('run', '--strategy', 'r')).toEqual(['random']);
    expect(offered('completion', 'z')).toEqual(['zsh']);
    expect(offered('help', 'ben')).toEqual(['bench']);
  });

  it('leaves file names to the shell', () => {
    expect(offered('rewrite', 'dec')).toEqual([]);
    expect(offered('rewrite', '-o', '--')).toEqual([]);
  });
});

it.each(['zsh', 'fish'] as const)('%s can read its script, where it is installed', (shell) => {
  const script = SCRIPTS[shell](tree);
  for (const { name } of tree) expect(script).toContain(name);
  // every quote is closed: an odd one would swallow the rest
  expect((script.replaceAll("'\\''", '').match(/'/gu) ?? []).length % 2).toBe(0);
  if (!installed(shell)) return;
  const file = join(folder, `fastv.${shell}`);
  writeFileSync(file, script);
  expect(spawnSync(shell, ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
