import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { anyResult } from '../../../test/eval/results.js';
import type { Result } from '../result.js';
import { ResultLog, RowSet } from './log.js';

let folder: string;
const file = (name: string): string => join(folder, name);
const keyed = (i: number): string => i.toString(16).padStart(32, '0');
const result = (i: number, more: Partial<Result> = {}): Result =>
  anyResult({ key: keyed(i), sample: String(i), prediction: `reply ${i} é`, ...more });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-log-'));
});

/** Opens the log, looks, and closes it. */
async function opened<T>(look: (log: ResultLog) => T): Promise<Awaited<T>> {
  const log = await ResultLog.open(folder);
  try {
    return await look(log);
  } finally {
    await log.close();
  }
}

async function filled(count: number): Promise<void> {
  await opened((log) => log.append(Array.from({ length: count }, (_, i) => result(i))));
}

/** What is found of so many, and that rows are what they were taken for. */
async function found(count: number): Promise<number[]> {
  return opened(async (log) => {
    const rows = Array.from({ length: count }, (_, i) => log.find(keyed(i)));
    const wanted = new RowSet();
    for (const row of rows) if (row !== undefined) wanted.add(row);
    const table = await log.table(wanted);
    const own = table.of('t', 'unpruned');
    for (const { key, prediction } of table.read([...own.rows]))
      expect(prediction).toBe(`reply ${Number.parseInt(key, 16)} é`);
    expect(own.rows).toHaveLength(wanted.size);
    return rows.flatMap((row, i) => (row === undefined ? [] : [i]));
  });
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

it('knows what it has when it is opened again, without reading it', async () => {
  await filled(100);
  expect(await found(120)).toEqual(upTo(100));
  // of a log that cannot be read but where it is looked up, the index still tells what is there
  const text = readFileSync(file('results.jsonl'), 'utf8');
  const lines = text.split('\n');
  const broken = lines.map((line, i) => (i === 9 ? 'x'.repeat(Buffer.byteLength(line)) : line)).join('\n');
  writeFileSync(file('results.jsonl'), broken);
  expect(await opened((log) => log.find(keyed(50)))).toBe(50);
});

it('reads from the log what the index lacks: of results that came after a kill, or of a lost index', async () => {
  await filled(50);
  appendFileSync(file('results.jsonl'), `${JSON.stringify(result(50))}\nnull\n{"key":7}\n{"half`);
  expect(await found(60)).toEqual(upTo(51));
  truncateSync(file('results.index'), 24 * 31 + 5);
  expect(await found(60)).toEqual(upTo(51));
  truncateSync(file('results.index'), 0);
  expect(await found(60)).toEqual(upTo(51));
});

it('makes an index anew that is of another file, or does not fit', async () => {
  await filled(40);
  const index = readFileSync(file('results.index'));
  // another file of that name: its results are the others
  const lines = readFileSync(file('results.jsonl'), 'utf8').split('\n').slice(0, -1);
  writeFileSync(
    file('other'),
    lines
      .reverse()
      .map((line) => `${line}\n`)
      .join(''),
  );
  renameSync(file('other'), file('results.jsonl'));
  expect(await found(60)).toEqual(upTo(40));
  // as long and of this file, but wrong
  for (const byte of [24 * 5 + 3, 24 * 40 + 16, 24 * 40 + 3]) {
    const wrong = Buffer.from(readFileSync(file('results.index')));
    wrong[byte] = (wrong[byte] ?? 0) ^ 1;
    writeFileSync(file('results.index'), wrong);
    expect(await found(60)).toEqual(upTo(40));
  }
  copyFileSync(file('results.jsonl'), file('results.index'));
  expect(await found(60)).toEqual(upTo(40));
  expect(statSync(file('results.index')).size).toBe(index.length);
});

it('takes a key of any form', async () => {
  await opened((log) => log.append([result(0, { key: 'a' }), result(1, { key: 'ä' })]));
  expect(await opened((log) => ['a', 'ä', 'b'].map((key) => log.find(key)))).toEqual([0, 1, undefined]);
});

it('says that results were changed under it', async () => {
  await filled(3);
  await opened(async (log) => {
    const [first = '', ...others] = readFileSync(file('results.jsonl'), 'utf8').split('\n');
    writeFileSync(file('results.jsonl'), [...others.slice(0, -1), first, ''].join('\n'));
    await expect(log.table(new RowSet())).rejects.toMatchObject({ code: 'invalid-input' });
  });
});
