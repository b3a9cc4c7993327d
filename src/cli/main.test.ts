import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../test/cli.js';
import { version } from '../version.js';
import { program } from './main.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-main-'));
  await writeFile(join(folder, 'bad.onnx'), 'no model');
});
afterAll(() => rm(folder, { recursive: true }));

describe('fastv', () => {
  it('prints its version and its help: exit code 0', async () => {
    expect(await runCli('--version')).toMatchObject({ code: 0, out: `${version}\n` });
    const help = await runCli('--help');
    expect(help.code).toBe(0);
    for (const command of program().commands) expect(help.out).toContain(`  ${command.name()}`);
  });

  it('explains every command', async () => {
    for (const command of program().commands) {
      const { code, out } = await runCli(command.name(), '--help');
      expect(code, command.name()).toBe(0);
      expect(out).toContain(`Usage: fastv ${command.name()}`);
    }
  });

  it.each([[['no-such-command']], [['inspect']], [['inspect', 'a', '--no-such-option']]])(
    'usage: %j is exit code 2, on stderr',
    async (argv) => {
      const { code, out, err } = await runCli(...argv);
      expect(code).toBe(2);
      expect(out).toBe('');
      expect(err).toMatch(/^error: /);
    },
  );

  it('a refused input is exit code 1: what, where and what to do on stderr, no stack trace', async () => {
    const file = join(folder, 'bad.onnx');
    const { code, out, err } = await runCli('inspect', file);
    expect(code).toBe(1);
    expect(out).toBe('');
    expect(err).toMatch(/^error: this is no ONNX model: .*\n {2}where: .*bad\.onnx\n {2}hint: .*\n$/);
    expect(err).not.toMatch(/\n\s+at /);
  });

  it('with --json the refusal is one JSON document on stdout', async () => {
    const file = join(folder, 'bad.onnx');
    const { code, out, err } = await runCli('inspect', file, '--json');
    expect(code).toBe(1);
    expect(err).toBe('');
    expect(JSON.parse(out)).toEqual({
      error: expect.objectContaining({ code: 'malformed-model', where: file }) as unknown,
    });
  });

  it('a missing file is exit code 1', async () => {
    const { code, err } = await runCli('inspect', join(folder, 'no.onnx'));
    expect(code).toBe(1);
    expect(err).toMatch(/^error: there is no file /);
  });
});
