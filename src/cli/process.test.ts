// What a shell sees: exit codes, closed and full streams, Ctrl-C, and one document with --json whatever happens.
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildCli, startCli, type Ended } from '../../test/cli-process.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';

let cli: Awaited<ReturnType<typeof buildCli>>;
let root = '';
let folder = '';
beforeAll(async () => {
  cli = await buildCli();
  root = await mkdtemp(join(tmpdir(), 'fastv-process-'));
});
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'test-'));
});
afterAll(async () => {
  cli.remove();
  await rm(root, { recursive: true });
});

const shell = (command: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  startCli(cli.program, command, { DIR: folder, ...env }).ended;

/** Starts a command and sends a signal once stderr or stdout matches. */
async function interrupted(command: string, when: RegExp, signal: NodeJS.Signals): Promise<Ended> {
  const { child, ended } = startCli(cli.program, command, { DIR: folder });
  let said = '';
  let sent = false;
  const look = (data: Buffer): void => {
    said += data.toString();
    if (sent || !when.test(said) || child.pid === undefined) return;
    sent = true;
    process.kill(child.pid, signal);
  };
  child.stderr?.on('data', look);
  child.stdout?.on('data', look);
  const end = await ended;
  expect(sent, end.err).toBe(true);
  return end;
}

const COST = 'fastv cost --model llava-1.5-7b --layer 2 --ratio 50%';

describe('streams', () => {
  it('a reader that goes away ends the command quietly', async () => {
    const { code, err } = await shell(`${COST} --json | head -c 1; echo " \${PIPESTATUS[0]}"`);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it.runIf(existsSync('/dev/full'))('a full disk behind stdout is one line, and exit code 1', async () => {
    const { code, err } = await shell(`${COST} > /dev/full`);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: the result cannot be written: .*\n {2}where: standard output\n {2}hint: .*\n$/u,
    );
  });

  it('without stderr results are written all the same', { timeout: 120_000 }, async () => {
    const command = 'fastv eval --tasks scenes-color --limit 2 --ratio 0 --output "$DIR/out"';
    const { code, out } = await shell(`${command} 2> >(exec 0<&-; sleep 0.1) && echo done`);
    expect(code).toBe(0);
    expect(out).toMatch(/scenes-color +unpruned[^]*done/u);
    expect((await readdir(join(folder, 'out'))).sort()).toEqual([
      'results.index',
      'results.jsonl',
      'summary.json',
    ]);
  });
});

describe('--json', () => {
  it.each([
    ['an unknown option', 'fastv run --json --rato 0.5 a.png why', 2],
    ['a missing option', 'fastv rewrite --json a.onnx', 2],
    ['a missing argument', 'fastv inspect --json', 2],
    ['options that exclude each other', 'fastv run --json --ratio 0.5 --budget 3 a.png why', 2],
    ['a number that is none', 'fastv bench --json --rounds x a.onnx', 2],
    ['a choice that is none', 'fastv scenes --json --split x "$DIR/s"', 2],
    ['an unknown command', 'fastv rum --json', 2],
    ['a folder in place of a file', 'fastv inspect --json "$DIR"', 1],
    ['a folder in place of a decoder', `${COST.replace(/--model \S+/u, '--decoder "$DIR"')} --json`, 1],
    ['a folder in place of tasks', 'fastv eval --json --task-file "$DIR" --output "$DIR/o"', 1],
    ['a place where nothing can be made', 'fastv scenes --json --count 1 /proc/x', 1],
  ] as [string, string, number][])('%s is one document, and nothing else', async (_, command, exit) => {
    const { code, out, err } = await shell(command);
    expect({ code, err }).toEqual({ code: exit, err: '' });
    const { error } = JSON.parse(out) as { error: { code: string; message: string } };
    expect(error.message).toMatch(/\w/u);
    expect(error.code).toBe(exit === 2 ? 'invalid-option' : 'io');
  });
});

describe('usage', () => {
  it.each(['fastv rum', 'fastv rum --help', 'fastv help rum', 'fastv rum run --json=no'])(
    '%s is exit code 2',
    async (command) => {
      const { code, out, err } = await shell(command);
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(err).toMatch(/^error: unknown command 'rum'\n {2}hint: \(Did you mean run\?\)/u);
    },
  );
});

describe('a signal', { timeout: 180_000 }, () => {
  const evaluate = 'fastv eval --json --tasks scenes-color --limit 500 --output "$DIR/out"';

  it('ends an evaluation in good order: one document, no lock, exit code 130', async () => {
    const { code, out, err } = await interrupted(
      `exec ${evaluate.replace('fastv', run())}`,
      /\d+\/\d+/u,
      'SIGINT',
    );
    expect(code).toBe(130);
    expect(JSON.parse(out)).toMatchObject({ complete: false });
    expect(err).toMatch(/ending after this question/u);
    expect((await readdir(join(folder, 'out'))).sort()).toEqual([
      'results.index',
      'results.jsonl',
      'summary.json',
    ]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s leaves nothing of quantize --evaluate', async (signal, exit) => {
    const decoder = join(EMBEDDED_MODEL, 'onnx', 'decoder_model_merged.onnx');
    const command = `exec ${run()} quantize --json ${decoder} -o "$DIR/q.onnx" --evaluate scenes-color --limit 500`;
    const { code, out } = await interrupted(command, /\d+\/\d+/u, signal);
    expect(code).toBe(exit);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'interrupted' } });
    expect(await readdir(folder)).toEqual([]);
  });

  it('ends quantize between two weights, and leaves nothing', async () => {
    const decoder = join(EMBEDDED_MODEL, 'onnx', 'decoder_model_merged.onnx');
    const command = `exec ${run()} quantize --json ${decoder} -o "$DIR/q.onnx"`;
    const { child, ended } = startCli(cli.program, command, { DIR: folder });
    while ((await readdir(folder)).length === 0) await setTimeout(20);
    process.kill(child.pid ?? 0, 'SIGINT');
    const { code, out } = await ended;
    expect(code).toBe(130);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'interrupted' } });
    expect(await readdir(folder)).toEqual([]);
  });

  it('ends any other command at once', async () => {
    const command = `exec ${run()} chat < <(echo "Is there a dog?"; exec sleep 15 2> /dev/null)`;
    const { code, err } = await interrupted(command, /first token/u, 'SIGTERM');
    expect(code).toBe(143);
    expect(err).toBe('error: interrupted\n');
  });

  /** The program itself, so that a signal's exit code is its own and not the shell's. */
  function run(): string {
    return `${process.execPath} ${cli.program}`;
  }
});
