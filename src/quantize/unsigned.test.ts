import {
  create,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  type TensorProto,
} from '../onnx/index.js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { inMemory, randomDecoder } from '../../bench/decoder.js';
import { valueInfo } from '../onnx/value-info.js';
import { Emitter, MICROSOFT } from '../onnx/emit.js';
import { decodeModel, type OnnxModel } from '../onnx/read.js';
import { DataType } from '../onnx/tensor.js';
import { concatChunks, encodeModel } from '../onnx/write.js';
import { recentre } from './recentre.js';
import { unsigned } from './unsigned.js';

const M = 4;
const K = 64;
const N = 32;

/** Weights and activations in whole steps, as large as they come: every pair of products is beyond 16 bits. */
const weights = Int8Array.from({ length: K * N }, (_, i) => (i % 7 === 0 ? -127 : 127 - (i % 5)));
const levels = Uint8Array.from({ length: M * K }, (_, i) => (i === 1 ? 0 : 255 - (i % 3)));
const STEP = 1 / 64;
/** x = STEP · (level − 0), so that its largest is 255 steps and its smallest 0. */
const x = Float32Array.from(levels, (level) => level * STEP);

/** Σ_k x·w, in exact arithmetic. */
const product = Array.from({ length: M * N }, (_, at) => {
  const [m, n] = [Math.floor(at / N), at % N];
  let sum = 0;
  for (let k = 0; k < K; k++) sum += (levels[m * K + k] ?? 0) * (weights[k * N + n] ?? 0);
  return sum * STEP;
});

const raw = (view: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function constant(
  name: string,
  dataType: DataType,
  dims: number[],
  values: ArrayBufferView<ArrayBuffer>,
): TensorProto {
  return create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), rawData: raw(values) });
}

const rows = Int8Array.from(weights, (_, at) => weights[(at % K) * N + Math.floor(at / K)] ?? 0);
const constants = [
  constant('w', DataType.INT8, [K, N], weights),
  constant('wT', DataType.INT8, [N, K], rows),
  constant('kernel', DataType.INT8, [N, K, 1, 1], rows),
  constant('z', DataType.INT8, [], Int8Array.of(0)),
  constant('zs', DataType.INT8, [N], new Int8Array(N)),
  constant('one', DataType.FLOAT, [], Float32Array.of(1)),
  constant('ones', DataType.FLOAT, [N], new Float32Array(N).fill(1)),
  constant('step', DataType.FLOAT, [], Float32Array.of(STEP)),
  constant('zero', DataType.UINT8, [], Uint8Array.of(0)),
  // steps of the output: wide enough that no result is clamped, so that one step is the largest error
  constant('wide', DataType.FLOAT, [], Float32Array.of(512)),
  constant('middle', DataType.UINT8, [], Uint8Array.of(128)),
];

type Build = (e: Emitter) => string;

function modelOf(build: Build, opset = 21, dims = [M, K]): OnnxModel {
  const e = new Emitter(opset, ['x', ...constants.map(({ name }) => name)]);
  const y = build(e);
  const used = new Set(e.nodes.flatMap(({ input }) => input));
  const graph = create(GraphProtoSchema, {
    name: 'g',
    node: e.nodes,
    initializer: [...constants.filter(({ name }) => used.has(name)), ...e.initializers],
    input: [valueInfo('x', DataType.FLOAT, dims)],
    output: [
      valueInfo(
        y,
        DataType.FLOAT,
        dims.map((_, axis) => `y${axis}`),
      ),
    ],
  });
  const opsetImport = [
    { domain: '', version: BigInt(opset) },
    { domain: MICROSOFT, version: 1n },
  ];
  const model = create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph });
  return decodeModel(concatChunks(encodeModel(model)));
}

async function run(model: OnnxModel, dims = [M, K]): Promise<number[]> {
  const session = await InferenceSession.create(concatChunks(encodeModel(model)), { logSeverityLevel: 3 });
  const { [session.outputNames[0] ?? '']: y } = await session.run({ x: new Tensor('float32', x, dims) });
  return Array.from(y?.data as Float32Array);
}

const quantised = (e: Emitter): readonly string[] => e.ops('DynamicQuantizeLinear', ['x'], { outputs: 3 });
const integer = (e: Emitter, inputs: (q: string, z: string) => string[]): string => {
  const [q = '', s = '', z = ''] = quantised(e);
  return e.op('Mul', [e.cast(e.op('MatMulInteger', inputs(q, z)), DataType.FLOAT), s]);
};
const dequantised = (e: Emitter): string =>
  e.op('DequantizeLinear', [e.op('QuantizeLinear', ['x', 'step', 'zero']), 'step', 'zero']);
const requantised = (e: Emitter, y: string): string =>
  e.op('DequantizeLinear', [e.op('QuantizeLinear', [y, 'wide', 'middle']), 'wide', 'middle']);

/** Every operator whose kernel saturates, in the forms that quantisers write. */
const forms: Record<string, Build> = {
  MatMulInteger: (e) => integer(e, (q, z) => [q, 'w', z, 'z']),
  'MatMulInteger with a zero point a column': (e) => integer(e, (q, z) => [q, 'w', z, 'zs']),
  'MatMulInteger without a zero point': (e) => integer(e, (q, z) => [q, 'w', z]),
  'MatMulInteger of a transposed weight': (e) => {
    const w = e.transpose('wT', 1, 0);
    return integer(e, (q, z) => [q, w, z, 'z']);
  },
  'MatMulInteger of a weight that is used twice': (e) => {
    const y = integer(e, (q, z) => [q, 'w', z, 'z']);
    const again = e.op('DynamicQuantizeMatMul', ['x', 'w', 'one', 'z'], { domain: MICROSOFT });
    return e.op('Mul', [e.op('Add', [y, again]), e.float(0.5)]);
  },
  'MatMulInteger of a weight that something else uses': (e) => {
    const y = integer(e, (q, z) => [q, 'w', z, 'z']);
    const w = e.reduce('ReduceSum', e.cast('w', DataType.FLOAT), [0], false);
    return e.op('Add', [y, e.op('Mul', [w, e.float(0)])]);
  },
  MatMulIntegerToFloat: (e) => {
    const [q = '', s = '', z = ''] = quantised(e);
    return e.op('MatMulIntegerToFloat', [q, 'w', s, 'one', z, 'z'], { domain: MICROSOFT });
  },
  DynamicQuantizeMatMul: (e) => e.op('DynamicQuantizeMatMul', ['x', 'w', 'one', 'z'], { domain: MICROSOFT }),
  QGemm: (e) => {
    const [q = '', s = '', z = ''] = quantised(e);
    return e.op('QGemm', [q, s, z, 'w', 'one', 'z'], { domain: MICROSOFT });
  },
  QLinearMatMul: (e) => {
    const [q = '', s = '', z = ''] = quantised(e);
    const y = e.op('QLinearMatMul', [q, s, z, 'w', 'one', 'z', 'wide', 'middle']);
    return e.op('DequantizeLinear', [y, 'wide', 'middle']);
  },
  'QuantizeLinear, DequantizeLinear, MatMul': (e) =>
    e.op('MatMul', [dequantised(e), e.op('DequantizeLinear', ['w', 'one', 'z'])]),
  'the same without a zero point, a scale a column': (e) =>
    e.op('MatMul', [dequantised(e), e.op('DequantizeLinear', ['w', 'ones'], { attributes: { axis: 1n } })]),
  'the same, quantised again': (e) =>
    requantised(e, e.op('MatMul', [dequantised(e), e.op('DequantizeLinear', ['w', 'one', 'z'])])),
  'QuantizeLinear, DequantizeLinear, Gemm': (e) =>
    e.op('Gemm', [dequantised(e), e.op('DequantizeLinear', ['w', 'one', 'z'])]),
};

/** Whether a form's output is in steps of 512. */
const coarse = (name: string): boolean => name === 'QLinearMatMul' || name.endsWith('quantised again');

function expectClose(actual: readonly number[], expected: readonly number[], error: number): void {
  const worst = Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] ?? NaN))));
  expect(worst).toBeLessThanOrEqual(error);
}

describe.each([13, 17, 18, 21])('unsigned, opset %i', (opset) => {
  it.each(Object.entries(forms))('%s: exact', async (name, build) => {
    const { model, changed, weights } = unsigned(modelOf(build, opset));
    expect(changed).toBe(true);
    expect(weights.size).toBe(1);
    const largest = Math.max(...product.map(Math.abs));
    expectClose(await run(model), product, coarse(name) ? 256 : 1e-5 * largest);
  });
});

describe('unsigned', () => {
  it.each<[string, Build]>([
    [
      'QLinearConv',
      (e) => {
        const [q = '', s = '', z = ''] = quantised(e);
        const y = e.op('QLinearConv', [q, s, z, 'kernel', 'one', 'z', 'wide', 'middle']);
        return e.op('DequantizeLinear', [y, 'wide', 'middle']);
      },
    ],
    [
      'QuantizeLinear, DequantizeLinear, Conv',
      (e) => requantised(e, e.op('Conv', [dequantised(e), e.op('DequantizeLinear', ['kernel', 'one', 'z'])])),
    ],
  ])('%s: exact', async (_, build) => {
    // [1, K, M, 1]: the rows of x are read as channels
    const dims = [1, K, M, 1];
    const expected = Array.from({ length: N * M }, (_, at) => {
      const [n, m] = [Math.floor(at / M), at % M];
      let sum = 0;
      for (let k = 0; k < K; k++) sum += (levels[k * M + m] ?? 0) * (weights[k * N + n] ?? 0);
      return sum * STEP;
    });
    const { model, changed } = unsigned(modelOf(build, 17, dims));
    expect(changed).toBe(true);
    expectClose(await run(model, dims), expected, 256);
  });

  it.each<[string, Build]>([
    [
      'int8 activations',
      (e) => {
        const q = e.op('QuantizeLinear', ['x', 'step', 'z']);
        return e.op('Mul', [e.cast(e.op('MatMulInteger', [q, 'w', 'z', 'z']), DataType.FLOAT), 'step']);
      },
    ],
    [
      'a weight that is dequantised for float activations',
      (e) => e.op('MatMul', ['x', e.op('DequantizeLinear', ['w', 'one', 'z'])]),
    ],
    ['float weights', (e) => e.op('MatMul', ['x', e.cast('w', DataType.FLOAT)])],
  ])('leaves %s alone', (_, build) => {
    const model = modelOf(build);
    const result = unsigned(model);
    expect(result.changed).toBe(false);
    expect(result.model).toBe(model);
  });

  it.each([17, 21])(
    'leaves the given model as it was, and a second run changes nothing (opset %i)',
    (opset) => {
      for (const build of Object.values(forms)) {
        const model = modelOf(build, opset);
        const before = concatChunks(encodeModel(model));
        const first = unsigned(model);
        expect(concatChunks(encodeModel(model))).toEqual(before);
        const second = unsigned(first.model);
        expect(second.changed).toBe(false);
        expect(second.model).toBe(first.model);
      }
    },
  );

  it('reads an initialiser as uint8 where nothing else uses it, and casts it where something does', () => {
    const types = (build: Build): [number | undefined, string[]] => {
      const { graph } = unsigned(modelOf(build)).model;
      const type = graph.initializer.find(({ name }) => name === 'w')?.dataType;
      return [
        type,
        graph.node.map(({ opType }) => opType).filter((op) => op === 'Cast' || op === 'BitwiseXor'),
      ];
    };
    const alone = forms['DynamicQuantizeMatMul'];
    const shared = forms['MatMulInteger of a weight that something else uses'];
    if (alone === undefined || shared === undefined) throw new TypeError('no such form');
    expect(types(alone)).toEqual([DataType.UINT8, ['BitwiseXor']]);
    expect(types(shared)[0]).toBe(DataType.INT8);
    expect(types(shared)[1]).toContain('BitwiseXor');
  });

  it('refers to external weights as they lie', () => {
    const model = modelOf((e) =>
      e.op('DynamicQuantizeMatMul', ['x', 'w', 'one', 'z'], { domain: MICROSOFT }),
    );
    for (const tensor of model.graph.initializer) {
      if (tensor.name !== 'w') continue;
      Object.assign(tensor, {
        dataLocation: 1,
        rawData: new Uint8Array(),
        externalData: [{ key: 'location', value: 'w' }],
      });
    }
    const w = unsigned(model).model.graph.initializer.find(({ name }) => name === 'w');
    expect(w).toMatchObject({
      dataLocation: 1,
      dataType: DataType.UINT8,
      externalData: [{ key: 'location', value: 'w' }],
    });
  });

  it('undoes recentre', async () => {
    const shape = { layers: 2, hidden: 32, heads: 2, kvHeads: 1, headDim: 16, mlp: 48, vocab: 20 };
    const bytes = encodeModel(
      randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, 'uint8', inMemory),
    );
    const model = decodeModel(concatChunks(bytes));
    const back = unsigned(recentre(model).model);
    expect(back.weights.size).toBe(2 * 7 + 1);
    expect(await logits(back.model)).toEqual(await logits(model));
  });
});

async function logits(model: OnnxModel): Promise<number[]> {
  const session = await InferenceSession.create(concatChunks(encodeModel(model)), { logSeverityLevel: 3 });
  const embeds = Float32Array.from({ length: 5 * 32 }, (_, i) => Math.sin(i));
  const feeds: Record<string, Tensor> = {
    inputs_embeds: new Tensor('float32', embeds, [1, 5, 32]),
    attention_mask: new Tensor('int64', new BigInt64Array(5).fill(1n), [1, 5]),
    num_logits_to_keep: new Tensor('int64', BigInt64Array.of(5n), []),
  };
  for (const name of session.inputNames) {
    if (name.startsWith('past_')) feeds[name] = new Tensor('float32', new Float32Array(), [1, 1, 0, 16]);
  }
  return Array.from((await session.run(feeds))['logits']?.data as Float32Array);
}
