import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FastvError } from '../../errors.js';
import { localFile, type DataFile } from './data-file.js';
import { readRows } from './read.js';
import { LIMITS } from './row.js';

const folder = mkdtempSync(join(tmpdir(), 'fastv-json-'));

async function read(name: string, text: string | Uint8Array): Promise<unknown[]> {
  const path = join(folder, name);
  writeFileSync(path, text);
  const all: unknown[] = [];
  for await (const row of readRows(await localFile(path, name)))
    all.push(row instanceof FastvError ? row.toJSON() : row);
  return all;
}

/** A file that comes in chunks of some bytes. */
function inChunks(bytes: Uint8Array, size: number): DataFile {
  return {
    name: 'chunks.json',
    size: bytes.length,
    slice: () => Promise.reject(new Error('it is to be streamed')),
    stream: () =>
      Promise.resolve(
        (async function* () {
          for (let at = 0; at < bytes.length; at += size)
            yield await Promise.resolve(bytes.subarray(at, at + size));
        })(),
      ),
  };
}

describe('JSON Lines', () => {
  it('reads records, whatever ends the last line', async () => {
    const rows = await read('a.jsonl', '{"q":"ü"}\n\n{"q":2}\r\n{"q":null}');
    expect(rows).toEqual([
      { file: 'a.jsonl', index: 0, fields: { q: 'ü' } },
      { file: 'a.jsonl', index: 1, fields: { q: 2 } },
      { file: 'a.jsonl', index: 2, fields: { q: null } },
    ]);
  });

  it('reads a line of many chunks in a time that grows with its length only', async () => {
    const line = `{"q":"${'x'.repeat(2 ** 26)}"}`;
    const start = process.cpuUsage();
    expect(await read('long.jsonl', `{"q":1}\n${line}\n{"q":2}`)).toHaveLength(3);
    const { user, system } = process.cpuUsage(start);
    // to join it anew at each of 1,000 chunks took 44 seconds
    expect((user + system) / 1e6).toBeLessThan(10);
  });

  it('puts an error where a line is no record, and goes on', async () => {
    const rows = await read('b.jsonl', '{"q":1}\n{"q":\n[1]\n{"q":4}\n');
    expect(rows).toHaveLength(4);
    expect(rows[1]).toMatchObject({ code: 'invalid-input', where: 'b.jsonl, row 1' });
    expect(rows[2]).toMatchObject({ code: 'invalid-input', where: 'b.jsonl, row 2' });
    expect(rows[3]).toMatchObject({ index: 3, fields: { q: 4 } });
  });

  it('ends where nothing but empty lines comes', async () => {
    await expect(read('e.jsonl', `{"q":1}\n${' \n'.repeat(LIMITS.emptyLines + 1)}`)).rejects.toMatchObject({
      code: 'invalid-input',
      where: 'e.jsonl',
    });
  });

  it('puts an error where a line has values without number, and goes on', async () => {
    const rows = await read('d.jsonl', `{"q":[${'{},'.repeat(2 ** 20)}0]}\n{"q":2}\n`);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({ code: 'invalid-input', where: 'd.jsonl, row 0' });
    expect(rows[1]).toMatchObject({ index: 1, fields: { q: 2 } });
  });

  it('keeps characters whole that lie across chunks', async () => {
    const text = 'ü'.repeat(200_000);
    const rows = await read('c.jsonl', `${JSON.stringify({ text })}\n`);
    expect(rows).toEqual([{ file: 'c.jsonl', index: 0, fields: { text } }]);
  });
});

describe('JSON', () => {
  it('reads a list of records, or records by their id', async () => {
    expect(await read('a.json', '[{"a":1},3]')).toMatchObject([{ index: 0 }, { where: 'a.json, row 1' }]);
    expect(await read('b.json', '{"x":{"a":1}}')).toEqual([
      { file: 'b.json', index: 0, fields: { id: 'x', a: 1 } },
    ]);
  });

  it('is cut between its records only, wherever its chunks end', async () => {
    const records = [{ a: ',]}"\\', b: [[1, { c: '[' }], []] }, { d: 'ü\ud83d\ude00' }, {}];
    const named = Object.fromEntries(records.map((record, i) => [`, "${i}" {`, record]));
    for (const [value, wanted] of [
      [records, records],
      [named, Object.entries(named).map(([id, record]) => ({ id, ...record }))],
      [[], []],
      [{}, []],
    ] as const) {
      const bytes = Buffer.from(`\ufeff ${JSON.stringify(value, null, 1)}\r\n`);
      for (const size of [1, 2, 3, 7, 1000]) {
        const rows: unknown[] = [];
        for await (const row of readRows(inChunks(bytes, size)))
          rows.push(row instanceof FastvError ? row.message : row.fields);
        expect(rows).toEqual(wanted);
      }
    }
  });

  it('is read as its rows are asked for, and never held', async () => {
    let chunks = 0;
    // as large as a disk
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('[{"q":0}');
      for (;;) {
        chunks++;
        yield await Promise.resolve(Buffer.from(',{"q":1}'.repeat(1000)));
      }
    };
    const file = { ...inChunks(Buffer.alloc(0), 1), size: 2 ** 50, stream: () => Promise.resolve(endless()) };
    let rows = 0;
    for await (const row of readRows(file)) {
      expect(row).toMatchObject({ index: rows });
      if (++rows === 3000) break;
    }
    expect(chunks).toBe(3);
  });

  it.each([
    ['[{}', 'it ends too early'],
    ['[{"a":"', 'it ends too early'],
    ['[1,]', 'an item is missing'],
    ['[,1]', 'an item is missing'],
    ['{"a":{},}', 'an item is missing'],
    ['[{]}', 'a list of records is needed'],
    ['[{}}', 'a list of records is needed'],
    ['[] []', 'a list of records is needed'],
    ['[] x', 'a list of records is needed'],
    [']', 'a list of records is needed'],
    ['"[]"', 'a list of records is needed'],
    ['', 'a list of records is needed'],
    ['{"a" {}}', 'Expected'],
    ['[{} {}]', 'Unexpected'],
  ])('refuses %j', async (text, message) => {
    await expect(read('e.json', text)).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(/^malformed JSON: /u) as string,
    });
    await expect(read('e.json', text)).rejects.toThrow(message);
  });

  it('ends at a record that has none, or more values than a row may have', async () => {
    const long = async function* (): AsyncGenerator<Uint8Array> {
      const chunk = Buffer.alloc(2 ** 20, 'x');
      yield Buffer.from('[{"q":"');
      for (;;) yield await Promise.resolve(chunk);
    };
    const file = { ...inChunks(Buffer.alloc(0), 1), stream: () => Promise.resolve(long()) };
    await expect(readRows(file).next()).rejects.toThrow(/a row is longer than/u);
    const rows = await read('f.json', `[{"q":[${'{},'.repeat(2 ** 20)}0]},{"q":2}]`);
    expect(rows).toMatchObject([{ code: 'invalid-input', where: 'f.json, row 0' }, { fields: { q: 2 } }]);
  });

  it('refuses what is no JSON, and files of an unknown kind', async () => {
    await expect(read('c.json', '[{')).rejects.toMatchObject({ code: 'invalid-input', where: 'c.json' });
    await expect(read('d.csv', 'a,b')).rejects.toThrow(/no reader/);
  });
});
