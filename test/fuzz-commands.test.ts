// Command lines: whatever is typed ends in a result or in one typed error, with one JSON document where --json asks for
// it, and leaves nothing behind. FASTV_FUZZ=10000 tries that many. No command gets as far as a model: the one that is
// named is not there; what a model does with a question is test/fuzz-prompts.test.ts.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { loadCommands } from '../src/cli/registry.js';
import { Terminal } from '../src/cli/terminal.js';
import { runCli } from './cli.js';
import { below, pick, seeds, someText, timeLimit } from './hostile-text.js';
import { toyDecoder } from './toy/decoder.js';
import { toyFamily } from './toy/families.js';
import { seededRandom, type Random } from './toy/random.js';

const COUNT = seeds(400);
/** Longer than any of these takes on a busy machine; a hang is far beyond it. */
const SECONDS = 20;

/** Everything is under it; commands run two levels deeper, so that `..` is still inside. */
let folder: string;
let commands: readonly Command[];
let words: [string, ...string[]];
const before = { env: { ...process.env }, folder: process.cwd() };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-fuzz-commands-'));
  const work = join(folder, 'a', 'b');
  mkdirSync(work, { recursive: true });
  const at = (name: string): string => join(work, name);
  Object.assign(process.env, {
    FASTV_MODEL: at('no-model'),
    FASTV_CACHE: at('cache'),
    HF_HOME: at('hub'),
    HF_ENDPOINT: 'http://127.0.0.1:9',
    XDG_CONFIG_HOME: at('config'),
  });
  const family = toyFamily('gqa');
  writeFileSync(at('decoder.onnx'), toyDecoder({ ...family.config, hidden: 8, mlp: 8, vocab: 8 }).bytes);
  writeFileSync(at('damaged.onnx'), 'no model');
  writeFileSync(at('task.json'), '{"name": "t"}');
  writeFileSync(at('picture.png'), 'no picture');
  mkdirSync(at('folder'));
  words = [
    ...(['decoder.onnx', 'decoder.onnx', 'damaged.onnx', 'task.json', 'picture.png', 'folder'] as const),
    ...(['nowhere', 'nowhere/deeper', 'decoder.onnx/inside'] as const),
  ].map(at) as [string, ...string[]];
  process.chdir(work);
  commands = await loadCommands(new Terminal({ json: false, quiet: true }));
});
afterEach(() => {
  process.exitCode = undefined;
});
afterAll(() => {
  process.chdir(before.folder);
  process.env = before.env;
  rmSync(folder, { recursive: true });
});

/** A value for an option: mostly one that fits, so that what lies behind is reached. */
function valueOf(option: Option, random: Random): string {
  if (random() < 0.25) return someText(random);
  if (option.argChoices !== undefined && option.argChoices.length > 0)
    return option.argChoices[below(random, option.argChoices.length)] ?? '';
  const flag = option.flags;
  if (/<(?:file|folder|folders\.\.\.|files\.\.\.)>/u.test(flag)) return pick(random, words);
  // nothing that is started may take long
  if (/<n>|<ns>|<K>|<ks>/u.test(flag)) return pick(random, ['0', '1', '2', '3']);
  if (/<R>|<rs>|<list>/u.test(flag)) return pick(random, ['0', '0.5', '50%', '1']);
  return pick(random, ['2:0.5', 'scenes', 'cpu', 'q8', 'attention', 'a,b', pick(random, words)]);
}

/** A command line. */
function someLine(random: Random): string[] {
  const command = commands[below(random, commands.length)];
  if (command === undefined) return [];
  const line: string[] = [random() < 0.04 ? someText(random) : command.name()];
  for (let i = below(random, 3); i > 0; i--)
    line.push(random() < 0.8 ? pick(random, words) : someText(random));
  for (let i = below(random, 5); i > 0; i--) {
    const option = command.options[below(random, command.options.length)];
    if (option === undefined) continue;
    line.push((random() < 0.3 ? option.short : option.long) ?? option.long ?? '');
    if (option.required || (option.optional && random() < 0.5)) line.push(valueOf(option, random));
  }
  const output = command.options.find(({ long }) => long === '--output');
  if (output !== undefined && random() < 0.9) line.push('--output', pick(random, words));
  if (random() < 0.05) line.push(someText(random));
  if (random() < 0.5) line.splice(1 + below(random, line.length), 0, '--json');
  // what would go on for a minute: a hundred scenes of every family, and the demo, whose model is always there
  if (line[0] === 'scenes') line.splice(1, 0, '--count', '1');
  if (line[0] === 'demo') line.splice(1, 0, '--ratios', 'none');
  return line;
}

it('every line ends in a result or a typed error', { timeout: timeLimit(COUNT, 100) }, async () => {
  const codes = new Map<number, number>();
  for (let seed = 0; seed < COUNT; seed++) {
    const line = someLine(seededRandom(seed * 104_729 + 7));
    const what = `seed ${seed}: ${JSON.stringify(line.map((word) => word.slice(0, 100)))}`;
    const start = performance.now();
    const { code, out, err } = await runCli(...line);
    expect((performance.now() - start) / 1000, `seconds of ${what}`).toBeLessThan(SECONDS);
    codes.set(code, (codes.get(code) ?? 0) + 1);
    expect([0, 1, 2], `${what}\n${err}`).toContain(code);
    expect(err + out, what).not.toMatch(/something is wrong inside fastv|"internal"|^ {4}at /mu);
    const end = line.indexOf('--');
    const json = line.slice(0, end < 0 ? undefined : end).includes('--json');
    if (code !== 0 && !json) expect(err, what).toMatch(/^error: ./mu);
    // help and version are texts, and a script of a shell is one
    const text = /^Usage: |^\d+\.\d+\.\d+|^# |^_fastv|^complete /mu.test(out) || out === '';
    if (json && !text) expect(() => JSON.parse(out) as unknown, `${what}\n${out}`).not.toThrow();
    if (json && code !== 0 && !out.includes('Usage: ')) expect(out, `${what}\n${err}`).toMatch(/^\{"error":/u);
    const left = readdirSync(folder, { recursive: true }).map(String);
    expect(
      left.filter((name) => /\.(?:tmp|part|lock)$|\.[^/]*-[A-Za-z\d]{6}$/u.test(name)),
      what,
    ).toEqual([]);
  }
  expect([...codes.keys()].sort()).toEqual([0, 1, 2]);
});
