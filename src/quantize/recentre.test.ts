import {
  create,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type TensorProto,
} from '../onnx/index.js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { inMemory, randomDecoder } from '../../bench/decoder.js';
import { Emitter, MICROSOFT } from '../onnx/emit.js';
import { decodeModel, type OnnxModel } from '../onnx/read.js';
import { DataType } from '../onnx/tensor.js';
import { concatChunks, encodeModel } from '../onnx/write.js';
import { exactSession } from '../runtime/unsigned-file.js';
import { flipSigns, recentre } from './recentre.js';

const K = 16;
const N = 8;
const weightBytes = Uint8Array.from({ length: K * N }, (_, i) => (i * 37 + 11) % 256);

function initializer(
  name: string,
  dataType: DataType,
  dims: number[],
  bytes: Uint8Array<ArrayBuffer>,
): TensorProto {
  return create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), rawData: bytes });
}

/** x [2, K] float → y, through a product with the uint8 weight `w` and the zero point `z`. */
function modelOf(zeroPoint: number[], dims: number[], build: (e: Emitter) => string): OnnxModel {
  const e = new Emitter(21, ['x', 'w', 'z', 's']);
  const y = build(e);
  const graph = create(GraphProtoSchema, {
    name: 'g',
    node: e.nodes,
    initializer: [
      initializer('w', DataType.UINT8, [K, N], weightBytes.slice()),
      initializer('z', DataType.UINT8, dims, Uint8Array.from(zeroPoint)),
      initializer('s', DataType.FLOAT, [], new Uint8Array(Float32Array.of(0.02).buffer)),
      ...e.initializers,
    ],
    input: [tensorInfo('x', DataType.FLOAT, [2, K])],
    output: [create(ValueInfoProtoSchema, { ...tensorInfo(y, DataType.FLOAT, [2, N]) })],
  });
  const opsetImport = [
    { domain: '', version: 21n },
    { domain: MICROSOFT, version: 1n },
  ];
  return decodeModel(
    concatChunks(encodeModel(create(ModelProtoSchema, { irVersion: 10n, opsetImport, graph }))),
  );
}

function tensorInfo(name: string, elemType: DataType, dims: number[]) {
  const dim = dims.map((value) => ({ value: { case: 'dimValue' as const, value: BigInt(value) } }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}

async function run(model: OnnxModel): Promise<number[]> {
  const session = await exactSession(InferenceSession, concatChunks(encodeModel(model)), {
    logSeverityLevel: 3,
  });
  const x = Float32Array.from({ length: 2 * K }, (_, i) => Math.sin(i * 1.7));
  const result = await session.run({ x: new Tensor('float32', x, [2, K]) });
  const [name = ''] = session.outputNames;
  return Array.from(result[name]?.data as Float32Array);
}

const forms: Record<string, (e: Emitter) => string> = {
  MatMulInteger: (e) => {
    const [q = '', s = '', z = ''] = e.ops('DynamicQuantizeLinear', ['x'], { outputs: 3 });
    const product = e.cast(e.op('MatMulInteger', [q, 'w', z, 'z']), DataType.FLOAT);
    return e.op('Mul', [product, e.op('Mul', [s, 's'])]);
  },
  MatMulIntegerToFloat: (e) => {
    const [q = '', s = '', z = ''] = e.ops('DynamicQuantizeLinear', ['x'], { outputs: 3 });
    return e.op('MatMulIntegerToFloat', [q, 'w', s, 's', z, 'z'], { domain: MICROSOFT });
  },
  DynamicQuantizeMatMul: (e) => e.op('DynamicQuantizeMatMul', ['x', 'w', 's', 'z'], { domain: MICROSOFT }),
  DequantizeLinear: (e) => e.op('MatMul', ['x', e.op('DequantizeLinear', ['w', 's', 'z'])]),
};

describe('recentre', () => {
  for (const [name, build] of Object.entries(forms)) {
    it.each([0, 1, 128, 200, 255])(`${name}: zero point %i gives the same bits`, async (zeroPoint) => {
      const model = modelOf([zeroPoint], [], build);
      const { model: signed, changed, weights } = recentre(model);
      expect(changed).toBe(true);
      expect([...weights]).toEqual(['w']);
      expect(signed.graph.initializer.find((tensor) => tensor.name === 'w')?.dataType).toBe(DataType.INT8);
      expect(await run(signed)).toEqual(await run(model));
    });
  }

  it('takes a zero point for each column', async () => {
    const zeroPoints = [0, 3, 99, 127, 128, 129, 200, 255];
    const model = modelOf(zeroPoints, [N], (e) => forms['MatMulInteger']?.(e) ?? '');
    expect(await run(recentre(model).model)).toEqual(await run(model));
  });

  it('takes an absent zero point, which is 0', async () => {
    const model = modelOf([0], [], (e) => {
      const [q = '', s = '', z = ''] = e.ops('DynamicQuantizeLinear', ['x'], { outputs: 3 });
      return e.op('Mul', [e.cast(e.op('MatMulInteger', [q, 'w', z]), DataType.FLOAT), e.op('Mul', [s, 's'])]);
    });
    expect(await run(recentre(model).model)).toEqual(await run(model));
  });

  it('leaves the given model as it was', () => {
    const model = modelOf([128], [], (e) => forms['MatMulInteger']?.(e) ?? '');
    const before = concatChunks(encodeModel(model));
    recentre(model);
    expect(concatChunks(encodeModel(model))).toEqual(before);
  });

  it('leaves a weight alone that something else uses too', () => {
    const model = modelOf([128], [], (e) => {
      const y = forms['MatMulInteger']?.(e) ?? '';
      e.cast('w', DataType.FLOAT);
      return y;
    });
    const result = recentre(model);
    expect(result.changed).toBe(false);
    expect(result.model).toBe(model);
  });

  it('leaves external weights alone unless the caller rewrites them', () => {
    const model = modelOf([128], [], (e) => forms['MatMulInteger']?.(e) ?? '');
    for (const tensor of model.graph.initializer) {
      if (tensor.name === 'w') Object.assign(tensor, { dataLocation: 1, rawData: new Uint8Array() });
    }
    expect(recentre(model).changed).toBe(false);
    const result = recentre(model, { external: true });
    expect([...result.external]).toEqual(['w']);
  });

  it('gives a whole uint8 decoder the same logits', async () => {
    const shape = { layers: 2, hidden: 32, heads: 2, kvHeads: 1, headDim: 16, mlp: 48, vocab: 20 };
    const bytes = encodeModel(
      randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, 'uint8', inMemory),
    );
    const model = decodeModel(concatChunks(bytes));
    const { model: signed, weights } = recentre(model);
    expect(weights.size).toBe(2 * 7 + 1);
    expect(await logits(signed)).toEqual(await logits(model));
  });

  it('flips signs', () => {
    expect([...new Int8Array(flipSigns(Uint8Array.of(0, 1, 127, 128, 255)).buffer)]).toEqual([
      -128, -127, -1, 0, 127,
    ]);
  });
});

async function logits(model: OnnxModel): Promise<number[]> {
  const session = await exactSession(InferenceSession, concatChunks(encodeModel(model)), {
    logSeverityLevel: 3,
  });
  const feeds: Record<string, Tensor> = {
    inputs_embeds: new Tensor(
      'float32',
      Float32Array.from({ length: 5 * 32 }, (_, i) => Math.sin(i)),
      [1, 5, 32],
    ),
    attention_mask: new Tensor('int64', new BigInt64Array(5).fill(1n), [1, 5]),
    num_logits_to_keep: new Tensor('int64', BigInt64Array.of(5n), []),
  };
  for (const name of session.inputNames) {
    if (name.startsWith('past_')) feeds[name] = new Tensor('float32', new Float32Array(), [1, 1, 0, 16]);
  }
  return Array.from((await session.run(feeds))['logits']?.data as Float32Array);
}
