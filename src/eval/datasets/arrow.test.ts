import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Binary,
  Decimal,
  Field,
  Int64,
  List,
  makeData,
  Struct,
  Table,
  tableToIPC,
  TimestampMillisecond,
  Utf8,
  vectorFromArray,
  type DataType,
  Vector,
} from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { readArrow } from './arrow.js';
import { localFile } from './data-file.js';
import type { Row } from './row.js';

const folder = mkdtempSync(join(tmpdir(), 'fastv-arrow-'));
const BYTES = new Uint8Array([0xff, 0, 0x80]);

function table(count: number): Table {
  const ids = Array.from({ length: count }, (_, i) => BigInt(i));
  const image = new Struct([new Field('bytes', new Binary(), true), new Field('path', new Utf8(), true)]);
  const columns: Record<string, Vector> = {
    id: vectorFromArray(ids, new Int64() as DataType),
    question: vectorFromArray(
      ids.map((i) => (i === 1n ? null : `q${String(i)}`)),
      new Utf8(),
    ),
    image: vectorFromArray(
      ids.map(() => ({ bytes: BYTES, path: 'a.png' })),
      image,
    ),
    choices: vectorFromArray(
      ids.map(() => ['x', 'y']),
      new List(new Field('item', new Utf8(), true)),
    ),
  };
  return new Table(columns);
}

async function collect(path: string): Promise<Row[]> {
  const all: Row[] = [];
  for await (const row of readArrow(await localFile(path))) all.push(row);
  return all;
}

describe('readArrow', () => {
  it.each(['stream', 'file'] as const)('reads a %s: strings, bytes, lists, holes', async (kind) => {
    const path = join(folder, `${kind}.arrow`);
    const two = table(3).concat(table(2)); // two record batches
    writeFileSync(path, tableToIPC(two, kind));
    const rows = await collect(path);
    expect(rows.map((r) => r.index)).toEqual([0, 1, 2, 3, 4]);
    expect(rows[0]?.fields).toEqual({
      id: 0n,
      question: 'q0',
      image: { bytes: BYTES, path: 'a.png' },
      choices: ['x', 'y'],
    });
    expect(rows[1]?.fields['question']).toBeNull();
    expect(rows[4]?.fields['id']).toBe(1n);
  });

  it('refuses what is no Arrow or is cut short, naming file and row', async () => {
    const whole = tableToIPC(table(3).concat(table(3)), 'stream');
    for (const [i, bytes] of [
      Buffer.from('hello, this is no arrow file'),
      whole.slice(0, whole.length - 200),
    ].entries()) {
      const path = join(folder, `bad${i}.arrow`);
      writeFileSync(path, bytes);
      await expect(collect(path)).rejects.toMatchObject({
        name: 'FastvError',
        code: 'invalid-input',
        where: expect.stringContaining(`${path}, row `) as string,
      });
    }
  });

  it('refuses a batch that claims more rows than its bytes can hold', async () => {
    const whole = tableToIPC(table(40), 'stream');
    const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
    // the lengths of the batch and of its columns are the only int64s of this value
    for (let at = 0; at + 8 <= whole.length; at += 4) {
      if (view.getBigUint64(at, true) === 40n) view.setBigUint64(at, 2n ** 40n, true);
    }
    const path = join(folder, 'claims.arrow');
    writeFileSync(path, whole);
    await expect(collect(path)).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(/claims to have 1099511627776 rows/) as string,
    });
  });

  it('refuses a row that is very much more than its bytes, without taking memory here', async () => {
    // lists of the same text, over and over: offsets may point to where they like
    const ends = Int32Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 0 : 2 ** 20));
    const text = makeData({
      type: new Utf8(),
      length: 999,
      valueOffsets: ends,
      data: new Uint8Array(2 ** 20).fill(97),
    });
    const type = new List(new Field('item', new Utf8()));
    const all = makeData({ type, length: 1, valueOffsets: Int32Array.of(0, 999), child: text });
    const path = join(folder, 'amplified.arrow');
    writeFileSync(path, tableToIPC(new Table({ texts: new Vector([all]) }), 'stream'));
    const before = process.memoryUsage.rss();
    await expect(collect(path)).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(
        /takes (more (memory|time) than its size explains|\d+ bytes)/u,
      ) as string,
    });
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20);
  });

  it('has decimals as numbers and times as dates, as Parquet’s reader does', async () => {
    const words = (value: bigint): Uint32Array =>
      Uint32Array.from({ length: 4 }, (_, i) => Number(BigInt.asUintN(32, value >> BigInt(32 * i))));
    const price = makeData({
      type: new Decimal(2, 10, 128),
      length: 2,
      data: Uint32Array.from([...words(125n), ...words(-7n)]),
    });
    const when = vectorFromArray([new Date(0), new Date(1500)], new TimestampMillisecond());
    const path = join(folder, 'types.arrow');
    writeFileSync(path, tableToIPC(new Table({ price: new Vector([price]), when }), 'stream'));
    expect((await collect(path)).map((r) => r.fields)).toEqual([
      { price: 1.25, when: new Date(0) },
      { price: -0.07, when: new Date(1500) },
    ]);
  });
});
