// The readers of weight files: what they take, and that they throw nothing but typed errors whatever they are given.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIXTURES } from '../../../test/vlm-golden.js';
import { FastvError } from '../../errors.js';
import { readPickle } from './pickle.js';
import { readSafetensors } from './safetensors.js';
import type { RandomAccess, StoredTensor } from './stored-tensor.js';
import { readTorchArchive } from './torch-archive.js';

const RUNS = Number(process.env['FASTV_FUZZ'] ?? 300);

function access(bytes: Uint8Array): RandomAccess {
  return {
    where: 'file',
    size: bytes.length,
    read: (offset, length) => {
      if (offset < 0 || length < 0 || offset + length > bytes.length)
        throw new Error('read outside of the file');
      return Promise.resolve(Uint8Array.from(bytes.subarray(offset, offset + length)));
    },
    close: () => undefined,
  };
}

const READERS = [
  { name: 'safetensors', file: 'llava/model-00002-of-00002.safetensors', read: readSafetensors },
  { name: 'torch archive', file: 'qwen-vl-chat/pytorch_model-00002-of-00002.bin', read: readTorchArchive },
];

describe.each(READERS)('$name', ({ file, read }) => {
  const bytes = new Uint8Array(readFileSync(join(FIXTURES, file)));
  const check = (tensors: ReadonlyMap<string, StoredTensor>, size: number): void => {
    for (const { offset, length } of tensors.values()) {
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset + length).toBeLessThanOrEqual(size);
    }
  };

  it('lists tensors that lie in the file', async () => {
    const tensors = await read(access(bytes));
    expect(tensors.size).toBeGreaterThan(5);
    check(tensors, bytes.length);
  });

  it('refuses with a typed error whatever is cut off or changed, or reads what lies in the file', async () => {
    // the tables of contents are at the beginning, or at the end
    const place = fc.oneof(
      fc.nat(3000),
      fc.nat(3000).map((n) => bytes.length - 1 - n),
    );
    const change = fc.tuple(place, fc.nat(255));
    const spoiled = fc.tuple(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(bytes.length)),
    );
    await fc.assert(
      fc.asyncProperty(spoiled, async ([changes, end]) => {
        const copy = bytes.slice(0, end ?? bytes.length);
        for (const [at, value] of changes) if (at >= 0 && at < copy.length) copy[at] = value;
        try {
          check(await read(access(copy)), copy.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FastvError);
        }
      }),
      { numRuns: RUNS },
    );
  });
});

describe('a large safetensors file', () => {
  it('has offsets whose product is no safe number', async () => {
    const shape = [11008, 4096];
    const length = 2 * 11008 * 4096;
    const entries = Array.from({ length: 8 }, (_, i) => [
      `w${i}`,
      { dtype: 'F16', shape, data_offsets: [i * length, (i + 1) * length] },
    ]);
    const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    const head = new Uint8Array(Buffer.concat([size, text, Buffer.alloc(1024)]));
    const file = { ...access(head), size: 8 + text.length + 8 * length };
    const tensors = await readSafetensors(file);
    expect(tensors.get('w7')).toMatchObject({ offset: 8 + text.length + 7 * length, length });
  });
});

describe('a pickle', () => {
  const text = (program: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(program, 'latin1'));

  it.each([
    ['calls os.system', '\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.', /class posix\.system/],
    ['calls eval', '\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.', /class __builtin__\.eval/],
    [
      'makes an object of a class by its name on the stack',
      '\x80\x04\x8c\x02os\x8c\x06system\x93.',
      /class os\.system/,
    ],
    ['makes an instance', '\x80\x02(ios\nsystem\n.', /opcode 0x69/],
    ['makes objects', '\x80\x02ccollections\nOrderedDict\n)\x81.', /opcode 0x81/],
    ['calls a storage', '\x80\x02ctorch\nHalfStorage\n)R.', /a call of torch\.HalfStorage/],
    ['takes from an empty stack', '\x80\x02R.', /an operation on nothing/],
    ['recalls what was never kept', '\x80\x02h\x07.', /never kept/],
    ['ends in the middle', '\x80\x02X\xff\xff\xff\xffabc', /ends in the middle/],
    ['is no dictionary', '\x80\x02K\x01.', /no dictionary/],
    ['is all dictionaries', `\x80\x02${'}'.repeat(2 ** 22)}`, /more operations than tensors need/],
  ])('that %s is refused', (_, program, message) => {
    expect(() => readPickle(text(program), 'file')).toThrow(message);
    expect(() => readPickle(text(program), 'file')).toThrow(FastvError);
  });

  it('of random bytes throws nothing but typed errors', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          readPickle(Uint8Array.from(bytes), 'file');
        } catch (error) {
          expect(error).toBeInstanceOf(FastvError);
        }
      }),
      { numRuns: RUNS },
    );
  });
});
