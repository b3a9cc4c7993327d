import {
  create,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from '../onnx/index.js';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inMemory, randomDecoder, toFile, type WeightType } from '../../bench/decoder.js';
import type { DecoderShape } from '../cost/shape.js';
import { shapeOfDecoder } from '../cost/decoder.js';
import { Emitter } from '../onnx/emit.js';
import { decodeModel } from '../onnx/read.js';
import { GraphView } from '../onnx/graph.js';
import { DataType, floatTensor } from '../onnx/tensor.js';
import { concatChunks, encodeModel } from '../onnx/write.js';
import { exactSession } from '../runtime/unsigned-file.js';
import { quantizeFile } from '../files/quantize-file.js';
import { info, modelOf, node } from '../../test/graphs.js';
import { DataFile } from './data-file.js';
import { toHalfBits } from './matrix.js';
import { quantize, QUANTIZED_TYPES } from './quantize.js';
import { bytesAsSource } from './source.js';

const shape: DecoderShape = {
  layers: 2,
  hidden: 48,
  heads: 3,
  kvHeads: 1,
  headDim: 16,
  mlp: 80,
  mlpMatrices: 3,
  vocab: 20,
  kvBytesPerElement: 4,
};

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-quantize-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const path = (name: string): string => join(folder, name);

/** Writes a random decoder, with its weights in the model or in a data file. */
function writeDecoder(weights: WeightType, external: boolean): string {
  const input = path('in.onnx');
  const file = openSync(path('in.onnx.data'), 'w');
  const sink = external ? toFile('in.onnx.data', (bytes) => writeSync(file, bytes)) : inMemory;
  writeFileSync(input, concatChunks(encodeModel(randomDecoder(shape, weights, sink))));
  closeSync(file);
  return input;
}

/** Logits with exact products, whatever the processor. */
async function logits(file: string): Promise<Float32Array> {
  return logitsOf(await exactSession(InferenceSession, file, { logSeverityLevel: 3 }));
}

async function logitsOf(session: InferenceSession): Promise<Float32Array> {
  const length = 6;
  const embeds = Float32Array.from({ length: length * shape.hidden }, (_, i) => Math.sin(i * 0.7));
  const feeds: Record<string, Tensor> = {
    inputs_embeds: new Tensor('float32', embeds, [1, length, shape.hidden]),
    attention_mask: new Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]),
    num_logits_to_keep: new Tensor('int64', BigInt64Array.of(6n), []),
  };
  for (const name of session.inputNames) {
    if (name.startsWith('past_')) feeds[name] = new Tensor('float32', new Float32Array(), [1, 1, 0, 16]);
  }
  return (await session.run(feeds))['logits']?.data as Float32Array;
}

function relativeError(a: Float32Array, b: Float32Array): number {
  let error = 0;
  let energy = 0;
  for (const [i, x] of a.entries()) {
    error += (x - (b[i] ?? 0)) ** 2;
    energy += x * x;
  }
  return Math.sqrt(error / energy);
}

/** Numbers in [-1, 1] without a pattern. */
function noise(i: number): number {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
}

describe('quantizeFile', () => {
  it.each([
    ['int8', false, 0.02],
    ['int8', true, 0.02],
    ['int8-portable', true, 0.04],
    ['uint8', false, 0.02],
    ['int4', true, 0.25],
  ] as const)(
    'makes a decoder %s (weights outside: %s), close to the original',
    async (type, external, most) => {
      const input = writeDecoder('fp32', external);
      const result = quantizeFile(input, path('out.onnx'), { type });
      expect(result.layers).toHaveLength(2 * 7 + 1);
      expect(result.bytes.after).toBeLessThan(result.bytes.before);
      expect(relativeError(await logits(input), await logits(path('out.onnx')))).toBeLessThan(most);
      const data = external ? ['out.onnx_data'] : [];
      expect(readdirSync(folder).sort()).toEqual(['in.onnx', 'in.onnx.data', 'out.onnx', ...data]);
      expect(shapeOfDecoder(decodeModel(readFileSync(path('out.onnx'))))).toEqual(shape);
    },
  );

  it('makes int8-portable exact on every processor: 7 bits, of which two products fit into 16', async () => {
    const input = writeDecoder('fp32', false);
    quantizeFile(input, path('out.onnx'), { type: 'int8-portable' });
    const { graph } = decodeModel(readFileSync(path('out.onnx')));
    const weights = graph.initializer.filter(({ dataType }) => dataType === (DataType.INT8 as number));
    expect(weights).toHaveLength(2 * 7 + 1);
    const largest = Math.max(...weights.flatMap(({ rawData }) => [...new Int8Array(rawData)].map(Math.abs)));
    expect(largest).toBe(64);
    expect(2 * 255 * largest).toBeLessThan(2 ** 15);
    const session = await InferenceSession.create(path('out.onnx'), { logSeverityLevel: 3 });
    expect(relativeError(await logits(path('out.onnx')), await logitsOf(session))).toBeLessThan(1e-6);
  });

  it('makes uint8 what int8 is, without a product that saturates', async () => {
    const input = writeDecoder('fp32', false);
    quantizeFile(input, path('int8.onnx'), { type: 'int8' });
    quantizeFile(input, path('uint8.onnx'), { type: 'uint8' });
    const session = await InferenceSession.create(path('uint8.onnx'), { logSeverityLevel: 3 });
    expect(relativeError(await logits(path('int8.onnx')), await logitsOf(session))).toBeLessThan(1e-6);
  });

  it('quantises an activation once for all layers that read it', () => {
    quantizeFile(writeDecoder('fp32', false), path('out.onnx'), { type: 'int8' });
    const { graph } = decodeModel(readFileSync(path('out.onnx')));
    const count = (op: string): number => graph.node.filter((node) => node.opType === op).length;
    // q, k, v share one; gate and up share one; o, down and the LM head have their own
    expect(count('DynamicQuantizeLinear')).toBe(2 * 4 + 1);
    expect(count('MatMulInteger')).toBe(2 * 7 + 1);
    expect(count('MatMul')).toBe(0);
  });

  it('recentres uint8 weights instead, to the last bit', async () => {
    const input = writeDecoder('uint8', true);
    const { layers, recentred } = quantizeFile(input, path('out.onnx'), { type: 'int8' });
    expect(layers).toHaveLength(0);
    expect(recentred).toBe(2 * 7 + 1);
    expect(await logits(path('out.onnx'))).toEqual(await logits(input));
  });

  it('leaves excluded layers alone', () => {
    const input = writeDecoder('fp32', false);
    const { layers } = quantizeFile(input, path('out.onnx'), { type: 'int8', exclude: ['lm_head'] });
    expect(layers.map(({ weight }) => weight)).not.toContain('lm_head.weight');
    expect(layers).toHaveLength(14);
  });

  it('refuses a model with nothing to quantise, and leaves nothing behind', () => {
    const input = writeDecoder('int4', false);
    expect(() => quantizeFile(input, path('out.onnx'), { type: 'int8' })).toThrow(/no linear layer/);
    expect(readdirSync(folder).sort()).toEqual(['in.onnx', 'in.onnx.data']);
  });

  it('refuses to write over its input', () => {
    const input = writeDecoder('fp32', false);
    expect(() => quantizeFile(input, join(folder, '.', 'in.onnx'), { type: 'int8' })).toThrow(/in place/);
  });

  it('refuses to write over the weights of its input, wherever it writes first', () => {
    const input = writeDecoder('fp32', true);
    const weights = readFileSync(path('in.onnx.data'));
    const into = mkdtempSync(path('into-'));
    for (const options of [{ type: 'int8' }, { type: 'int8', into }] as const) {
      expect(() => quantizeFile(input, path('in.onnx.data'), options)).toThrow(/in place/);
    }
    expect(readFileSync(path('in.onnx.data')).equals(weights)).toBe(true);
    expect(readdirSync(into)).toEqual([]);
  });

  it('writes into another folder under the name that it will have', () => {
    const input = writeDecoder('fp32', true);
    const into = mkdtempSync(path('into-'));
    const { files } = quantizeFile(input, path('out.onnx'), { type: 'int8', into });
    expect(files).toEqual([join(into, 'out.onnx'), join(into, 'out.onnx_data')]);
    expect(readdirSync(into).sort()).toEqual(['out.onnx', 'out.onnx_data']);
  });

  it('says which weight is missing where a data file is cut short, and leaves nothing behind', () => {
    const input = writeDecoder('fp32', true);
    const data = readFileSync(path('in.onnx.data'));
    writeFileSync(path('in.onnx.data'), data.subarray(0, data.length / 2));
    expect(() => quantizeFile(input, path('out.onnx'), { type: 'int8' })).toThrow(/lies beyond the end/);
    expect(readdirSync(folder).sort()).toEqual(['in.onnx', 'in.onnx.data']);
  });
});

describe('other layouts', () => {
  const K = 40;
  const N = 24;
  const weights = Float32Array.from({ length: K * N }, (_, i) => noise(i) * (1 + (i % N)));

  /** y = x W, with W kept as `build` wants it. */
  async function run(file: string): Promise<Float32Array> {
    const session = await exactSession(InferenceSession, file, { logSeverityLevel: 3 });
    const x = Float32Array.from({ length: 3 * K }, (_, i) => noise(i + 7777));
    const result = await session.run({ x: new Tensor('float32', x, [3, K]) });
    return result[session.outputNames[0] ?? '']?.data as Float32Array;
  }

  function write(dataType: DataType, transposed: boolean, build: (e: Emitter) => string): string {
    const at = (k: number, n: number): number => weights[k * N + n] ?? 0;
    const values = Float32Array.from({ length: K * N }, (_, i) =>
      transposed ? at(i % K, Math.floor(i / K)) : at(Math.floor(i / N), i % N),
    );
    const bytes =
      dataType === DataType.FLOAT
        ? new Uint8Array(values.buffer)
        : new Uint8Array(Uint16Array.from(values, toHalfBits).buffer);
    const e = new Emitter(21, ['x', 'w', 'b']);
    const y = build(e);
    const info = (name: string, dims: number[]) =>
      create(ValueInfoProtoSchema, {
        name,
        type: {
          value: {
            case: 'tensorType' as const,
            value: {
              elemType: DataType.FLOAT,
              shape: { dim: dims.map((d) => ({ value: { case: 'dimValue' as const, value: BigInt(d) } })) },
            },
          },
        },
      });
    const tensor = (name: string, type: DataType, dims: number[], rawData: Uint8Array<ArrayBuffer>) =>
      create(TensorProtoSchema, { name, dataType: type, dims: dims.map(BigInt), rawData });
    const bias = new Uint8Array(new Float32Array(N).fill(0.5).buffer);
    const graph = create(GraphProtoSchema, {
      name: 'g',
      node: e.nodes,
      initializer: [
        tensor('w', dataType, transposed ? [N, K] : [K, N], bytes),
        tensor('b', DataType.FLOAT, [N], bias),
        ...e.initializers,
      ],
      input: [info('x', [3, K])],
      output: [info(y, [3, N])],
    });
    const model = create(ModelProtoSchema, {
      irVersion: 10n,
      opsetImport: [{ domain: '', version: 21n }],
      graph,
    });
    writeFileSync(path('in.onnx'), concatChunks(encodeModel(model)));
    return path('in.onnx');
  }

  const layouts: Record<string, () => string> = {
    'MatMul with [in, out]': () => write(DataType.FLOAT, false, (e) => e.op('MatMul', ['x', 'w'])),
    'MatMul behind Transpose': () =>
      write(DataType.FLOAT, true, (e) => e.op('MatMul', ['x', e.transpose('w', 1, 0)])),
    'Gemm with transB and a bias': () =>
      write(DataType.FLOAT, true, (e) => e.op('Gemm', ['x', 'w', 'b'], { attributes: { transB: 1n } })),
    'float16 weights, cast': () =>
      write(DataType.FLOAT16, false, (e) => e.op('MatMul', ['x', e.cast('w', DataType.FLOAT)])),
    'float16 activations': () =>
      write(DataType.FLOAT16, true, (e) =>
        e.cast(e.op('MatMul', [e.cast('x', DataType.FLOAT16), e.transpose('w', 1, 0)]), DataType.FLOAT),
      ),
  };

  for (const [name, make] of Object.entries(layouts)) {
    it.each([
      ['int8', 0.01],
      ['int4', 0.15],
    ] as const)(`${name}: %s`, async (type, most) => {
      const input = make();
      const { layers } = quantizeFile(input, path('out.onnx'), { type });
      expect(layers).toHaveLength(1);
      expect(layers[0]?.relativeError).toBeLessThan(type === 'int8' ? 0.007 : 0.12);
      expect(relativeError(await run(input), await run(path('out.onnx')))).toBeLessThan(most);
      const ops = decodeModel(readFileSync(path('out.onnx'))).graph.node.map((node) => node.opType);
      expect(ops).not.toContain('Transpose');
      expect(readdirSync(folder)).toEqual(['in.onnx', 'out.onnx']);
      expect(layers[0]?.inFeatures).toBe(K);
    });
  }
});

describe('quantize', () => {
  it.each(QUANTIZED_TYPES)('keeps two products of the same activation and weight apart (%s)', (type) => {
    const model = modelOf({
      inputs: [info('x', DataType.FLOAT, ['rows', 32])],
      outputs: ['a', 'b'].map((name) => info(name, DataType.FLOAT, ['rows', 32])),
      initializers: [
        Object.assign(floatTensor(Array.from({ length: 1024 }, noise), [32, 32]), { name: 'w' }),
      ],
      nodes: [node('MatMul', ['x', 'w'], ['a']), node('MatMul', ['x', 'w'], ['b'])],
    });
    const file = new DataFile('data', () => undefined);
    const result = quantize(model, ({ rawData }) => bytesAsSource(rawData), file, { type });
    const made = new GraphView(result.model.graph);
    expect(made.producer('a')).toBeDefined();
    expect(made.producer('b')).toBeDefined();
    expect(result.model.irVersion).toBe(model.irVersion);
    expect(made.graph.sparseInitializer).toEqual([]);
  });
});
