import { create } from './message.js';
import { MAX_MODEL_BYTES, toBinary } from './protobuf.js';
import { ModelProtoSchema, TensorProtoSchema, type TensorProto } from './schema.js';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { graphOf, modelOf, node } from '../../test/graphs.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decodeModel, type OnnxModel } from './read.js';
import { byteLength, concatChunks, encodeModel } from './write.js';

/** A tensor of so many bytes. */
const tensor = (name: string, length: number): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType: 2,
    dims: [BigInt(length)],
    rawData: Uint8Array.from({ length }, (_, i) => i),
  });

const identity = node('Identity', ['w'], ['y']);

describe('encodeModel', () => {
  it('gives back every field of a decoder', () => {
    const { bytes } = toyDecoder(toyFamily('hybrid recurrence').config);
    const model = decodeModel(bytes);
    const chunks = encodeModel(model);
    expect(byteLength(chunks)).toBe(bytes.length);
    // Large weights come last in the file; their order means nothing.
    const sorted = (model: OnnxModel): Buffer => {
      model.graph.initializer.sort((a, b) => (a.name < b.name ? -1 : 1));
      return Buffer.from(toBinary(ModelProtoSchema, model));
    };
    const [before, after] = [sorted(model), sorted(decodeModel(concatChunks(chunks)))];
    expect(after.equals(before)).toBe(true);
  });

  it('copies no large weight: its chunk is a view of the bytes that were read', () => {
    const initializers = [tensor('w', 100_000), tensor('small', 8)];
    const bytes = concatChunks(encodeModel(modelOf({ nodes: [identity], initializers })));
    const chunks = encodeModel(decodeModel(bytes));
    const views = chunks.filter((chunk) => chunk.buffer === bytes.buffer);
    expect(views.map((chunk) => chunk.length)).toEqual([100_000]);
    expect(byteLength(chunks) - 100_000).toBeLessThan(500);
  });

  it('keeps fields that the schema does not know', () => {
    const unknown = new BinaryWriter().tag(9999, WireType.LengthDelimited).string('later').finish();
    const known = toBinary(
      ModelProtoSchema,
      modelOf({ nodes: [identity], initializers: [tensor('w', 9000)] }),
    );
    const model = decodeModel(concatChunks([known, unknown]));
    const written = concatChunks(encodeModel(model));
    expect(Buffer.from(written).includes(Buffer.from(unknown))).toBe(true);
    expect(decodeModel(written)).toEqual(model);
  });

  it('refuses more than 2 GB before anything is allocated', () => {
    const half = tensor('w', 0);
    // Looks like 1.5 GB; no byte of it may be read.
    half.rawData = new Proxy(new Uint8Array(), {
      get(target, key): unknown {
        if (key === 'length') return 1.5e9;
        throw new Error(`reads ${String(key)} of ${target.length} bytes`);
      },
    });
    const graph = graphOf({ nodes: [identity], initializers: [half, half] });
    expect(() => encodeModel(create(ModelProtoSchema, { graph }))).toThrow(
      expect.objectContaining({
        name: 'FastvError',
        code: 'malformed-model',
        hint: expect.stringContaining('external') as unknown,
      }),
    );
    expect(MAX_MODEL_BYTES).toBe(2147483647);
  });
});

describe('concatChunks', () => {
  it('joins chunks in order', () => {
    expect(concatChunks([Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)])).toEqual(
      Uint8Array.of(1, 2, 3),
    );
  });
});
