import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ColumnMetaData, FileMetaData, SchemaElement } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { describe, expect, it, vi } from 'vitest';
import { FastvError } from '../../errors.js';
import { Random } from '../../scenes/random.js';
import { localFile, type DataFile } from './data-file.js';
import { parquetBytes } from '../../../test/eval/parquet-fixture.js';
import { boundedCompressors } from './decode-child.js';
import { readParquet } from './parquet.js';
import type { Row } from './row.js';

const folder = mkdtempSync(join(tmpdir(), 'fastv-parquet-'));

async function collect(rows: AsyncIterable<Row>): Promise<Row[]> {
  const all: Row[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

/** A file in memory that counts the bytes read of it. */
function memory(bytes: Uint8Array): DataFile & { read: number } {
  return {
    name: 'memory.parquet',
    size: bytes.length,
    read: 0,
    slice(start, end) {
      this.read += end - start;
      return Promise.resolve(bytes.slice(start, end).buffer);
    },
    stream: () => Promise.reject(new Error('not needed')),
  };
}

const TYPES = {
  question_id: 'int64',
  question: 'string',
  image: 'image',
  answers: { list: { struct: { answer: 'string', answer_id: 'int64' } } },
  choices: { list: 'string' },
  raw: 'bytes',
} as const;
// bytes that are no UTF-8: they would be lost if they were read as text
const BYTES = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 0x80]);
const row = (i: number) => ({
  question_id: i,
  question: `what is ${i}? ü`,
  image: { bytes: BYTES, path: `${i}.jpg` },
  answers: [
    { answer: 'a', answer_id: 1 },
    { answer: 'b', answer_id: 2 },
  ],
  choices: i % 2 === 0 ? ['x', 'y'] : [],
  raw: BYTES,
});

describe('readParquet', () => {
  it.each([
    ['without an offset index', false],
    ['with one', true],
  ])('reads nested columns, bytes and holes, %s', async (_, offsetIndex) => {
    const path = join(folder, 'a.parquet');
    const rows = [row(0), { ...row(1), image: null, question: null }, row(2)];
    writeFileSync(path, parquetBytes(TYPES, rows, { rowGroupSize: 2, offsetIndex }));
    const read = await collect(readParquet(await localFile(path)));
    expect(read.map((r) => r.index)).toEqual([0, 1, 2]);
    expect(read[0]?.file).toBe(path);
    expect(read[0]?.fields).toEqual({
      ...row(0),
      question_id: 0n,
      answers: [
        { answer: 'a', answer_id: 1n },
        { answer: 'b', answer_id: 2n },
      ],
    });
    expect(read[1]?.fields['image']).toBeFalsy();
    expect(read[1]?.fields['choices']).toEqual([]);
    expect(read[2]?.fields['raw']).toEqual(BYTES);
  });

  it('reads no more of a file than it needs', async () => {
    const noise = (i: number): Uint8Array => {
      const random = new Random(i);
      return new Uint8Array(Uint32Array.from({ length: 40_000 }, () => random.next()).buffer);
    };
    const bytes = parquetBytes(
      { id: 'int64', raw: 'bytes' },
      Array.from({ length: 40 }, (_, i) => ({ id: i, raw: noise(i) })),
      { rowGroupSize: 4 },
    );
    const file = memory(bytes);
    for await (const r of readParquet(file)) if (r.index === 5) break;
    expect(file.read).toBeLessThan(0.8 * bytes.length);
    const ids = memory(bytes);
    expect(await collect(readParquet(ids, { columns: ['id', 'absent'] }))).toHaveLength(40);
    const all = memory(bytes);
    await collect(readParquet(all));
    expect(all.read - ids.read).toBeGreaterThan(0.5 * bytes.length);
  });

  it('refuses what is no Parquet, is cut short or lies, naming the file', async () => {
    const good = parquetBytes(TYPES, [row(0), row(1)]);
    const half = good.slice(0, good.length / 2);
    const flipped = good.slice();
    flipped.fill(0xaa, 40, 120);
    for (const [i, bytes] of [
      new Uint8Array(0),
      Buffer.from('hello, world, this is no parquet'),
      half,
      flipped,
    ].entries()) {
      const path = join(folder, `bad${i}.parquet`);
      writeFileSync(path, bytes);
      const error: unknown = await collect(readParquet(await localFile(path))).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(FastvError);
      expect(error).toMatchObject({ code: 'invalid-input', where: expect.stringContaining(path) as string });
    }
  });

  it('says typed what the file system refuses', async () => {
    await expect(localFile(join(folder, 'absent.parquet'))).rejects.toMatchObject({ code: 'io' });
  });

  /** A file of one column whose footer says of its row group what `lie` makes of the truth. */
  function lying(
    data: readonly (string | bigint)[],
    lie: (group: FileMetaData['row_groups'][number], column: ColumnMetaData) => void,
  ): DataFile {
    const type = typeof data[0] === 'string' ? 'BYTE_ARRAY' : 'INT64';
    const schema: SchemaElement[] = [
      { name: 'root', num_children: 1 },
      { name: 'a', type, repetition_type: 'REQUIRED' },
    ];
    const bytes = new ByteWriter();
    const writer = new ParquetWriter({ writer: bytes, schema, statistics: false });
    void writer.write({ columnData: [{ name: 'a', data: [...data] }] });
    const [group] = writer.row_groups;
    const column = group?.columns[0]?.meta_data;
    if (group === undefined || column === undefined) throw new Error('nothing was written');
    lie(group, column);
    void writer.finish();
    return memory(new Uint8Array(bytes.getBuffer()));
  }
  const numbers = Array.from({ length: 50 }, (_, i) => BigInt(i));

  it.each<[string, Parameters<typeof lying>[1]]>([
    ['20 million rows', (group) => void (group.num_rows = 20_000_000n)],
    ['2^40 rows', (group) => void (group.num_rows = 2n ** 40n)],
    ['less than no rows', (group) => void (group.num_rows = -1n)],
    ['half a gigabyte', (_, column) => void (column.total_uncompressed_size = 2n ** 29n)],
    ['more compressed bytes than there are', (_, column) => void (column.total_compressed_size = 2n ** 29n)],
  ])('refuses a row group that claims to have %s', async (_, lie) => {
    expect(await collect(readParquet(lying(numbers, () => undefined)))).toHaveLength(50);
    await expect(collect(readParquet(lying(numbers, lie)))).rejects.toMatchObject({
      code: 'invalid-input',
      where: expect.stringMatching(/row group 0/) as string,
      message: expect.stringMatching(/claims more than the file can hold/) as string,
    });
  });

  it('refuses a page that unpacks to more than its row group claims', async () => {
    const text = ['x'.repeat(2 ** 22)];
    expect(await collect(readParquet(lying(text, () => undefined)))).toHaveLength(1);
    const file = lying(text, (_, column) => void (column.total_uncompressed_size = 1n));
    await expect(collect(readParquet(file))).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(/a page unpacks to more than its row group claims/) as string,
    });
  });

  it('refuses a page whose run of values has no end, within seconds and without taking memory here', async () => {
    const count = 2 ** 20;
    const bytes = new ByteWriter();
    const schema: SchemaElement[] = [
      { name: 'root', num_children: 1 },
      { name: 'a', type: 'BOOLEAN', repetition_type: 'OPTIONAL' },
    ];
    const writer = new ParquetWriter({ writer: bytes, schema, statistics: false, codec: 'UNCOMPRESSED' });
    const data = Array.from({ length: count }, (_, i) => i % 7 < 3);
    void writer.write({ columnData: [{ name: 'a', data }], rowGroupSize: count, pageSize: 2 ** 30 });
    void writer.finish();
    const file = Buffer.from(bytes.getBuffer());
    // behind the page's header, the definition levels: one run of 2^20, twice that as a varint; it becomes one of 2^27
    const header = file.indexOf(Buffer.from([0, 0, 0, 0x80, 0x80, 0x80, 0x01, 0x01]));
    expect(header).toBeGreaterThan(0);
    file.set([0xfe, 0xff, 0xff, 0x7f], header + 3);
    const before = process.memoryUsage.rss();
    const start = performance.now();
    await expect(collect(readParquet(memory(Uint8Array.from(file))))).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(/decoding it takes more (memory|time) than its size explains/) as string,
    });
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 2 ** 20);
  });

  it('leaves no process behind when its rows are not read to the end', async () => {
    const children = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'ProcessWrap').length;
    const before = children();
    for await (const first of readParquet(memory(parquetBytes(TYPES, [row(0), row(1)])))) {
      expect(first.index).toBe(0);
      break;
    }
    await vi.waitFor(() => {
      expect(children()).toBe(before);
    });
  });

  it('reads empty pages in every codec', () => {
    const bounded = boundedCompressors(100, compressors);
    for (const decompress of Object.values(bounded)) {
      expect(decompress(new Uint8Array([0]), 0)).toHaveLength(0);
    }
  });
});
