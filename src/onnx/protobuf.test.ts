// The codec against protobuf-es with the generated schema: the same tables, the same messages, the same bytes; and what it
// refuses or keeps where protobuf-es reads on.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as es from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import * as generated from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { byteMutations } from '../../test/mutations.js';
import { seededRandom } from '../../test/toy/random.js';
import { FastvError } from '../errors.js';
import { create, withFields, type Fields, type Message, type Schema, type Slot } from './message.js';
import { fromBinary, toBinary } from './protobuf.js';
import * as ours from './schema.js';

const FIXTURES = fileURLToPath(new URL('../../test/fixtures/', import.meta.url));
const DEPTH = { readUnknownFields: true, recursionLimit: 64 };

const isMessage = (value: unknown): value is es.DescMessage =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'message';
const descriptions = new Map(
  Object.entries<unknown>(generated).flatMap(([name, value]) =>
    isMessage(value) ? [[name, value] as const] : [],
  ),
);
const schemas = new Map(
  Object.entries(ours).filter((entry): entry is [string, Schema] => entry[0].endsWith('Schema')),
);

/** Types of the same fields have one table. */
const SHARED = new Map([
  ['TypeProto_SparseTensorSchema', 'TypeProto_TensorSchema'],
  ['TypeProto_OptionalSchema', 'TypeProto_SequenceSchema'],
]);

/** What a message says, of either library: the fields that are set, numbers as text, bytes as hexadecimal. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .filter((key) => !key.startsWith('$'))
      .sort()
      .map((key) => [key, plain((value as Fields)[key])]),
  );
}

/** The message's bytes as protobuf-es writes them. */
const theirs = (bytes: Uint8Array): Uint8Array =>
  es.toBinary(generated.ModelProtoSchema, es.fromBinary(generated.ModelProtoSchema, bytes, DEPTH));

describe('the tables', () => {
  it('are those of the generated schema', () => {
    expect([...schemas.keys()].sort()).toEqual(
      [...descriptions.keys()].filter((name) => !SHARED.has(name)).sort(),
    );
    for (const [name, { slots, defaults }] of schemas) {
      const described = descriptions.get(name)?.fields ?? expect.fail(name);
      const wanted = described
        .map((field) => ({
          number: field.number,
          key: field.oneof?.localName ?? field.localName,
          case: field.oneof === undefined ? undefined : field.localName,
          kind:
            'scalar' in field && field.scalar !== undefined
              ? es.ScalarType[field.scalar].toLowerCase()
              : field.enum === undefined
                ? 'message'
                : 'enum',
          repeated: field.fieldKind === 'list',
          packed: field.fieldKind === 'list' && field.packed,
        }))
        .sort((a, b) => a.number - b.number);
      expect(
        slots.map(({ number, key, case: of, kind, repeated, packed }) => ({
          number,
          key,
          case: of,
          kind,
          repeated,
          packed,
        })),
        name,
      ).toEqual(wanted);
      for (const slot of slots) {
        const field = described.find(({ number }) => number === slot.number);
        if (slot.values !== undefined)
          expect([...slot.values].sort()).toEqual(field?.enum?.values.map((each) => each.number).sort());
        const held = [...schemas].find(([, schema]) => schema === slot.schema?.())?.[0];
        const named = field?.message?.typeName.replace('onnx.', '').replace('.', '_');
        expect(held, `${name}.${slot.key}`).toBe(
          named === undefined ? undefined : (SHARED.get(`${named}Schema`) ?? `${named}Schema`),
        );
      }
      const zero = es.create(descriptions.get(name) ?? expect.fail(name)) as object;
      expect(plain({ ...defaults }), name).toEqual(plain({ ...(Object.getPrototypeOf(zero) as object) }));
    }
  });

  it.each([
    [ours.AttributeProto_AttributeType, generated.AttributeProto_AttributeTypeSchema],
    [ours.TensorProto_DataType, generated.TensorProto_DataTypeSchema],
    [ours.TensorProto_DataLocation, generated.TensorProto_DataLocationSchema],
  ])('have the numbers of the enums', (values, { values: described }) => {
    expect(values).toEqual(Object.fromEntries(described.map(({ name, number }) => [name, number])));
  });
});

/** Any message of a schema; the deeper, the emptier. */
function anyMessage(schema: Schema, depth: number): fc.Arbitrary<Fields> {
  const value = (slot: Slot): fc.Arbitrary<unknown> => {
    switch (slot.kind) {
      case 'string':
        return fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ minLength: 30, maxLength: 40 }),
          fc.constantFrom('ü'.repeat(60), `ü${'a'.repeat(60)}`),
        );
      case 'bytes':
        return fc.uint8Array();
      case 'int32':
        return fc.integer();
      case 'int64':
        return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
      case 'uint64':
        return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
      case 'float':
        return fc.float();
      case 'double':
        return fc.double();
      case 'enum':
        return fc.constantFrom(...(slot.values ?? []));
      case 'message':
        return anyMessage(slot.schema?.() ?? expect.fail('no schema'), depth - 1);
    }
  };
  return fc
    .subarray(schema.slots.filter(({ kind }) => kind !== 'message' || depth > 0))
    .chain((slots) =>
      fc
        .tuple(
          ...slots.map((slot) =>
            slot.repeated
              ? fc.array(value(slot), { maxLength: 3 })
              : slot.case === undefined
                ? value(slot)
                : value(slot).map((held) => ({ case: slot.case, value: held })),
          ),
        )
        .map((values) => Object.fromEntries(slots.map(({ key }, i) => [key, values[i]]))),
    );
}

describe('reading and writing', () => {
  it('is what protobuf-es does, for any message', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(anyMessage(ours.ModelProtoSchema, 5), (init) => {
        const mine = create(ours.ModelProtoSchema, init);
        const other = es.create(generated.ModelProtoSchema, init);
        const bytes = toBinary(ours.ModelProtoSchema, mine);
        expect(Buffer.from(bytes).equals(es.toBinary(generated.ModelProtoSchema, other))).toBe(true);
        expect(plain(fromBinary(ours.ModelProtoSchema, bytes))).toEqual(plain(mine));
        expect(plain(mine)).toEqual(plain(other));
      }),
      { seed: 16, numRuns: Number(process.env['FASTV_FUZZ'] ?? 100) },
    );
  });

  it('is what protobuf-es does, for every model of the fixtures', { timeout: 120_000 }, async () => {
    const paths = (await readdir(FIXTURES, { recursive: true })).filter((path) => path.endsWith('.onnx'));
    expect(paths.length).toBeGreaterThan(15);
    for (const path of paths) {
      const bytes = await readFile(join(FIXTURES, path));
      const model = fromBinary(ours.ModelProtoSchema, bytes);
      const other = es.fromBinary(generated.ModelProtoSchema, bytes, DEPTH);
      expect(JSON.stringify(plain(model)) === JSON.stringify(plain(other)), path).toBe(true);
      const written = Buffer.from(toBinary(ours.ModelProtoSchema, model));
      expect(written.equals(es.toBinary(generated.ModelProtoSchema, other)), path).toBe(true);
    }
  });

  // What this codec does otherwise: a length is held against the message that it is in, not against the file alone; a
  // length or tag of more than 32 bits is refused, not cut; a field of another wire type than its own is kept, not read.
  it(
    'is what protobuf-es does with damaged files, but where that reads past an end',
    { timeout: 900_000 },
    async () => {
      const [first, second] = await Promise.all(
        ['llama-gqa.builder-fp32', 'qwen3.builder-int4'].map(
          async (name) => new Uint8Array(await readFile(join(FIXTURES, `decoders/${name}/model.onnx`))),
        ),
      );
      if (first === undefined || second === undefined) throw new Error('no fixtures');
      const counts = { same: 0, refusedByBoth: 0, kept: 0, refusedHere: 0 };
      const mutations = Object.values(byteMutations);
      for (let seed = 0; seed < Number(process.env['FASTV_FUZZ'] ?? 240); seed++) {
        const random = seededRandom(seed);
        const bytes: Uint8Array =
          mutations[seed % mutations.length]?.(first, random, second) ?? expect.fail('no mutation');
        const mine = attempt(() => fromBinary(ours.ModelProtoSchema, bytes));
        const other = attempt(() => es.fromBinary(generated.ModelProtoSchema, bytes, DEPTH));
        if (mine instanceof Error) {
          expect(mine, `seed ${seed}`).toBeInstanceOf(FastvError);
          if (other instanceof Error) counts.refusedByBoth++;
          else {
            counts.refusedHere++;
            expect(mine.message, `seed ${seed}`).toMatch(
              /ends in the middle|more than ten bytes|there is no field|did not begin/u,
            );
          }
        } else if (keepsKnown(mine, ours.ModelProtoSchema)) counts.kept++;
        else {
          counts.same++;
          if (other instanceof Error) expect.fail(`seed ${seed}: ${other.message}`);
          expect(JSON.stringify(plain(mine)) === JSON.stringify(plain(other)), `seed ${seed}`).toBe(true);
          const written = toBinary(ours.ModelProtoSchema, mine);
          expect(Buffer.from(theirs(written)).equals(theirs(bytes)), `seed ${seed}`).toBe(true);
        }
      }
      expect(counts.same).toBeGreaterThan(20);
      expect(counts.refusedByBoth).toBeGreaterThan(20);
    },
  );
});

/** The bytes of a length-delimited field. */
const field = (number: number, content: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(content).finish();

describe('what is read', () => {
  const read = (...bytes: number[]): ours.TensorProto =>
    fromBinary(ours.TensorProtoSchema, Uint8Array.from(bytes));

  it('may have lists in either spelling, mixed', () => {
    // dims (1) as two varints and a run of two; float_data (4) as a run of one and one with its tag
    const tensor = read(8, 1, 10, 2, 2, 3, 8, 4, 34, 4, 0, 0, 128, 63, 37, 0, 0, 0, 64);
    expect(tensor.dims).toEqual([1n, 2n, 3n, 4n]);
    expect(tensor.floatData).toEqual([1, 2]);
  });

  it('counts the last time for numbers, and is merged for messages', () => {
    const begin = field(3, Uint8Array.of(8, 7));
    const end = field(3, Uint8Array.of(16, 9));
    const tensor = read(16, 1, ...begin, 16, 7, ...end);
    expect(tensor.dataType).toBe(7);
    expect(tensor.segment).toMatchObject({ begin: 7n, end: 9n });
    const type = fromBinary(
      ours.TypeProtoSchema,
      Uint8Array.from([...field(1, Uint8Array.of(8, 1)), ...field(1, field(2, Uint8Array.of()))]),
    );
    expect(type.value).toMatchObject({ case: 'tensorType', value: { elemType: 1, shape: { dim: [] } } });
  });

  it('keeps what it does not know as it was: tags in more bytes than they need, groups, other wire types', () => {
    const known = [16, 1];
    const unknown = [0xf8, 0x81, 0x00, 5, 0xfb, 1, 8, 1, 0xfc, 1, 21, 1, 2, 3, 4]; // 31 = 5, a group 31, 2 in four bytes
    const tensor = read(...unknown, ...known, 112, 9); // data_location 9 is none
    expect(tensor).toMatchObject({ dataType: 1, dataLocation: 0 });
    expect(tensor.$unknown).toEqual([Uint8Array.from(unknown), Uint8Array.of(112, 9)]);
    expect([...toBinary(ours.TensorProtoSchema, tensor)]).toEqual([...known, ...unknown, 112, 9]);
  });

  it.each([
    ['a message longer than the one that it is in', [26, 2, 8, 200, 1], /middle of a field/u],
    ['a string that goes on behind the end', [66, 9, 65], /middle of a field/u],
    ['a length of 2^32 + 1', [66, 0x81, 0x80, 0x80, 0x80, 0x10, 65], /middle of a field/u],
    ['a number of eleven bytes', [16, ...new Array<number>(10).fill(0xff), 1], /ten bytes/u],
    ['half a number', [16, 0xff], /middle of a field/u],
    ['field 0', [0, 1], /no field 0/u],
    ['wire type 7', [15, 1], /wire type 7/u],
    ['the end of no group', [0xfc, 1], /did not begin/u],
    ['a group with the end of another', [0xfb, 1, 0xf4, 1], /did not begin/u],
    ['a group without end', [0xfb, 1, 8, 1], /middle of a field/u],
    ['groups in groups', new Array<number>(200).fill(0xfb).flatMap((tag) => [tag, 1]), /64 deep/u],
  ])('is not %s', (_, bytes, message) => {
    expect(() => read(...bytes)).toThrow(expect.objectContaining({ code: 'malformed-model' }) as Error);
    expect(() => read(...bytes)).toThrow(message);
  });

  it('may lie in itself 64 deep', () => {
    const nested = (depth: number): ours.TypeProto => {
      let bytes: Uint8Array = new Uint8Array();
      // a sequence of sequences: two messages each
      for (let i = 1; i < depth; i += 2) bytes = field(4, field(1, bytes));
      return fromBinary(ours.TypeProtoSchema, bytes);
    };
    expect(nested(63).value.case).toBe('sequenceType');
    expect(() => nested(65)).toThrow(/64 deep/u);
  });

  it('has an end: four million numbers of a byte each', () => {
    const count = 2 ** 22 + 1;
    const bytes = new Uint8Array(5 + count).fill(1);
    // dims, packed, and their length
    bytes.set([
      0x0a,
      (count & 0x7f) | 0x80,
      ((count >> 7) & 0x7f) | 0x80,
      ((count >> 14) & 0x7f) | 0x80,
      count >> 21,
    ]);
    expect(() => fromBinary(ours.TensorProtoSchema, bytes)).toThrow(/more than 4194304 numbers/u);
  });

  it.each([
    ['metadata of a model', ours.ModelProtoSchema, 0x72, 2],
    // each has eight lists or more
    ['tensors of a graph', ours.GraphProtoSchema, 0x2a, 10],
  ] as const)('has an end: messages of two bytes each, %s', { timeout: 60_000 }, (_, schema, tag, weight) => {
    const bytes = new Uint8Array(2 * (Math.floor(2 ** 21 / weight) + 1));
    for (let i = 0; i < bytes.length; i += 2) bytes[i] = tag;
    expect(() => fromBinary<Message>(schema, bytes)).toThrow(/more messages than any model/u);
  });
});

describe('what is written', () => {
  it.each([
    [{ dims: [2n ** 63n] }, /9223372036854775808 is no int64/u],
    [{ uint64Data: [-1n] }, /-1 is no uint64/u],
    [{ dataType: 1.5 }, /1.5 is no int32/u],
    [{ floatData: [1e39] }, /1e\+39 is no float/u],
    [{ dims: [3] as unknown as bigint[] }, /3 is no int64/u],
  ])('fits its field: %o', (fields, message) => {
    const tensor = create(ours.TensorProtoSchema, fields);
    expect(() => toBinary(ours.TensorProtoSchema, tensor)).toThrow(message);
  });

  it('is what is set, and nothing else', () => {
    const tensor = create(ours.TensorProtoSchema, { name: '' });
    expect([...toBinary(ours.TensorProtoSchema, tensor)]).toEqual([66, 0]);
    expect(withFields(ours.TensorProtoSchema, tensor, { dataType: 1 })).toMatchObject({
      name: '',
      dataType: 1,
    });
  });
});

function attempt<T>(read: () => T): T | Error {
  try {
    return read();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Whether a message keeps a field that its schema knows, because its wire type is another one. */
function keepsKnown(message: Message, schema: Schema): boolean {
  const known = (message.$unknown ?? []).some((bytes) => {
    const { $unknown = [] } = es.fromBinary(EmptySchema, bytes, DEPTH);
    return $unknown.some(({ no }) => schema.byNumber[no] !== undefined);
  });
  return (
    known ||
    schema.slots.some((slot) => {
      const held = slot.schema?.();
      const value = Object.hasOwn(message, slot.key) ? (message as Fields)[slot.key] : undefined;
      if (held === undefined || value === undefined) return false;
      const inner = slot.case === undefined ? value : (value as { value?: unknown }).value;
      return [inner].flat().some((each) => each !== undefined && keepsKnown(each as Message, held));
    })
  );
}
