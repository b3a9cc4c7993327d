import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FastvError } from '../../errors.js';
import { localFile } from './data-file.js';
import { readRows } from './read.js';

const folder = mkdtempSync(join(tmpdir(), 'fastv-json-'));

async function read(name: string, text: string | Uint8Array): Promise<unknown[]> {
  const path = join(folder, name);
  writeFileSync(path, text);
  const all: unknown[] = [];
  for await (const row of readRows(await localFile(path, name)))
    all.push(row instanceof FastvError ? row.toJSON() : row);
  return all;
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

  it('refuses what is no JSON, and files of an unknown kind', async () => {
    await expect(read('c.json', '[{')).rejects.toMatchObject({ code: 'invalid-input', where: 'c.json' });
    await expect(read('d.csv', 'a,b')).rejects.toThrow(/no reader/);
  });
});
