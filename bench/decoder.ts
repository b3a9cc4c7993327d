// Decoders with random weights at real shapes, written as the ONNX Runtime GenAI builder writes them: the family that
// community exports for Transformers.js belong to. Only shapes and operators matter for time, not the values.
import {
  create,
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type ModelProto,
  type TensorProto,
  type ValueInfoProto,
} from '../src/onnx/index.js';
import type { DecoderShape } from '../src/cost/shape.js';
import { Emitter, MICROSOFT } from '../src/onnx/emit.js';
import { DataType } from '../src/onnx/tensor.js';
import { toHalfBits } from '../src/quantize/matrix.js';

/**
 * How weights are kept: see `src/quantize` for int8 and int4 (whose activations become int8: accuracy_level 4); uint8 is
 * what dynamic quantisers write by default; int4-fp32 is int4 without an accuracy_level, as Transformers.js's q4 exports
 * are: activations stay float32; int4-fp16 has activations, caches and scales in float16, as its q4f16 exports for GPUs.
 */
export const WEIGHT_TYPES = ['fp32', 'int4', 'int4-fp32', 'int4-fp16', 'uint8', 'int8'] as const;
export type WeightType = (typeof WEIGHT_TYPES)[number];

/** Where weights go: into the model (tests) or into a data file (benchmarks). */
export interface WeightSink {
  add(bytes: Uint8Array<ArrayBuffer>): Partial<TensorProto>;
}

/** Weights stay in memory, inside the model. */
export const inMemory: WeightSink = { add: (bytes) => ({ rawData: bytes.slice() }) };

/** Weights go to `write`, in order, as one external file. */
export function toFile(location: string, write: (bytes: Uint8Array) => void): WeightSink {
  let offset = 0;
  return {
    add(bytes) {
      write(bytes);
      const entry = [
        { key: 'location', value: location },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(bytes.length) },
      ];
      offset += bytes.length;
      return {
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: entry.map((pair) => create(StringStringEntryProtoSchema, pair)),
      };
    },
  };
}

/** Weights of a row that share a scale in int4. */
export const BLOCK = 32;
const POSITIONS = 16384;

/**
 * Builds a decoder of that shape.
 * @param layers fewer than the shape's own, to fit a machine
 * @param shared whether all layers read the same weights: a decoder that is larger than the machine's memory then fits
 *   (ONNX Runtime keeps equal packed weights once), and takes as long, since a layer's weights are larger than any cache
 */
export function randomDecoder(
  shape: DecoderShape,
  weights: WeightType,
  sink: WeightSink,
  layers = shape.layers,
  shared = false,
): ModelProto {
  const e = new Emitter(21, []);
  const half = weights === 'int4-fp16';
  const activation = half ? DataType.FLOAT16 : DataType.FLOAT;
  const initializers: TensorProto[] = [];
  const random = new Bytes(0x9e3779b9);
  const { hidden, heads, kvHeads, headDim, mlp } = shape;

  /** Weights that layers share, by the name that has no layer in it. */
  const once = new Set<string>();
  const tensor = (
    own: string,
    dataType: DataType,
    dims: number[],
    bytes: Uint8Array<ArrayBuffer>,
  ): string => {
    const name = shared ? own.replace(/^layers\.\d+/u, 'layers') : own;
    if (once.has(name)) return name;
    once.add(name);
    const fields = { name, dataType, dims: dims.map(BigInt) };
    const stored = bytes.length < 1024 ? { rawData: bytes.slice() } : sink.add(bytes);
    initializers.push(Object.assign(create(TensorProtoSchema, fields), stored));
    return name;
  };
  const numbers = (
    name: string,
    dims: number[],
    values: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>,
  ): string =>
    tensor(name, activation, dims, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const floats = (name: string, dims: number[], values: Float32Array<ArrayBuffer>): string =>
    numbers(name, dims, half ? Uint16Array.from(values, toHalfBits) : values);
  const constant = (name: string, length: number, value: number): string =>
    numbers(
      name,
      [length],
      half ? new Uint16Array(length).fill(toHalfBits(value)) : new Float32Array(length).fill(value),
    );

  /** One dynamic quantisation serves all layers that read the same activation. */
  const quantized = new Map<string, readonly string[]>();
  const linear = (name: string, x: string, K: number, N: number): string => {
    const range = Math.sqrt(3 / K);
    if (weights === 'fp32')
      return e.op('MatMul', [x, floats(`${name}.weight`, [K, N], random.floats(K * N, range))]);
    if (weights.startsWith('int4')) {
      const blocks = Math.ceil(K / BLOCK);
      return e.op(
        'MatMulNBits',
        [
          x,
          tensor(
            `${name}.weight`,
            DataType.UINT8,
            [N, blocks, BLOCK / 2],
            random.bytes((N * blocks * BLOCK) / 2),
          ),
          constant(`${name}.scales`, N * blocks, range / 8),
        ],
        {
          domain: MICROSOFT,
          attributes: {
            K: BigInt(K),
            N: BigInt(N),
            bits: 4n,
            block_size: BigInt(BLOCK),
            ...(weights === 'int4' ? { accuracy_level: 4n } : {}),
          },
        },
      );
    }
    const quantization: readonly string[] =
      quantized.get(x) ?? e.ops('DynamicQuantizeLinear', [x], { outputs: 3 });
    quantized.set(x, quantization);
    const [q = '', scale = '', zero = ''] = quantization;
    const signed = weights === 'int8';
    const w = tensor(`${name}.weight`, signed ? DataType.INT8 : DataType.UINT8, [K, N], random.bytes(K * N));
    const inputs = signed
      ? [q, w, zero]
      : [q, w, zero, tensor(`${name}.zero_point`, DataType.UINT8, [], Uint8Array.of(128))];
    const product = e.cast(e.op('MatMulInteger', inputs), DataType.FLOAT);
    const scales = signed ? constant(`${name}.scale`, N, range / 127) : e.float(range / 127);
    return e.op('Mul', [product, e.op('Mul', [scale, scales])]);
  };

  const lengths = e.cast(
    e.op('Sub', [e.op('ReduceSum', ['attention_mask', e.ints(1)]), e.int(1)]),
    DataType.INT32,
  );
  const total = e.cast(e.dim('attention_mask', 1), DataType.INT32);
  const angles = (f: (x: number) => number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: (POSITIONS * headDim) / 2 }, (_, i) =>
      f(Math.floor(i / (headDim / 2)) * 10000 ** (-(2 * (i % (headDim / 2))) / headDim)),
    );
  const cos = floats('cos_cache', [POSITIONS, headDim / 2], angles(Math.cos));
  const sin = floats('sin_cache', [POSITIONS, headDim / 2], angles(Math.sin));
  const ones = constant('norm.weight', hidden, 1);
  const epsilon = { epsilon: 1e-5 };

  const inputs = [
    value('inputs_embeds', activation, ['batch_size', 'sequence_length', hidden]),
    value('attention_mask', DataType.INT64, ['batch_size', 'total_sequence_length']),
    value('num_logits_to_keep', DataType.INT64, []),
  ];
  const outputs = [value('logits', activation, ['batch_size', 'logits_to_keep', shape.vocab])];
  let residual = 'inputs_embeds';
  let x = e.op('SimplifiedLayerNormalization', [residual, ones], { attributes: { axis: -1n, ...epsilon } });
  const addAndNorm = (y: string): void => {
    const [normed = '', , , sum = ''] = e.ops('SkipSimplifiedLayerNormalization', [residual, y, ones], {
      domain: MICROSOFT,
      attributes: epsilon,
      outputs: 4,
    });
    residual = sum;
    x = normed;
  };
  for (let layer = 0; layer < layers; layer++) {
    const name = `layers.${layer}`;
    const [pastKey, pastValue] = [`past_key_values.${layer}.key`, `past_key_values.${layer}.value`];
    for (const past of [pastKey, pastValue]) {
      inputs.push(value(past, activation, ['batch_size', kvHeads, 'past_sequence_length', headDim]));
    }
    const [attended = '', presentKey = '', presentValue = ''] = e.ops(
      'GroupQueryAttention',
      [
        linear(`${name}.q_proj`, x, hidden, heads * headDim),
        linear(`${name}.k_proj`, x, hidden, kvHeads * headDim),
        linear(`${name}.v_proj`, x, hidden, kvHeads * headDim),
        pastKey,
        pastValue,
        lengths,
        total,
        cos,
        sin,
      ],
      {
        domain: MICROSOFT,
        attributes: { num_heads: BigInt(heads), kv_num_heads: BigInt(kvHeads), do_rotary: 1n },
        outputs: 3,
      },
    );
    for (const [from, to] of [
      [presentKey, `present.${layer}.key`],
      [presentValue, `present.${layer}.value`],
    ] as const) {
      rename(e, from, to);
      outputs.push(value(to, activation, ['batch_size', kvHeads, 'total_sequence_length', headDim]));
    }
    addAndNorm(linear(`${name}.o_proj`, attended, heads * headDim, hidden));
    const gate = linear(`${name}.gate_proj`, x, hidden, mlp);
    const up = linear(`${name}.up_proj`, x, hidden, mlp);
    const gated = e.op('Mul', [e.op('Mul', [gate, e.op('Sigmoid', [gate])]), up]);
    addAndNorm(linear(`${name}.down_proj`, gated, mlp, hidden));
  }
  const keep = e.unsqueeze(e.op('Neg', ['num_logits_to_keep']), 0);
  const kept = e.slice(x, keep, e.ints(Number.MAX_SAFE_INTEGER), 1);
  rename(e, linear('lm_head', kept, hidden, shape.vocab), 'logits');

  const all = [...initializers, ...e.initializers];
  // "fastv/" is what the rewrite calls its own nodes; these are the model's.
  const own = (name: string): string => name.replace(/^fastv\//u, 'model/');
  for (const node of e.nodes) {
    node.name = own(node.name);
    node.input = node.input.map(own);
    node.output = node.output.map(own);
  }
  for (const initializer of all) initializer.name = own(initializer.name);

  return create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: 'fastv bench',
    opsetImport: [
      { domain: '', version: 21n },
      { domain: MICROSOFT, version: 1n },
    ],
    graph: create(GraphProtoSchema, {
      name: 'random decoder',
      node: e.nodes,
      initializer: all,
      input: inputs,
      output: outputs,
    }),
  });
}

function value(name: string, elemType: DataType, dims: readonly (string | number)[]): ValueInfoProto {
  const dim = dims.map((d) => ({
    value:
      typeof d === 'number'
        ? { case: 'dimValue' as const, value: BigInt(d) }
        : { case: 'dimParam' as const, value: d },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}

/** Gives the newest node's output the name that the graph's outputs must have. */
function rename(e: Emitter, from: string, to: string): void {
  for (const node of e.nodes) node.output = node.output.map((name) => (name === from ? to : name));
}

/** Cheap random numbers: a pool drawn once, read from changing places, because 7 GB drawn one by one take minutes. */
class Bytes {
  readonly #pool: Uint8Array<ArrayBuffer>;
  readonly #floats = new Map<number, Float32Array<ArrayBuffer>>();
  #at = 0;

  constructor(seed: number) {
    const words = new Uint32Array(2 ** 20);
    let state = seed >>> 0;
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    this.#pool = new Uint8Array(words.buffer);
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    const out = tiled(new Uint8Array(count), this.#pool, this.#at);
    this.#step(4099);
    return out;
  }

  /** Uniform in [-range, range]. */
  floats(count: number, range: number): Float32Array<ArrayBuffer> {
    let pool = this.#floats.get(range);
    if (pool === undefined) {
      const view = new DataView(this.#pool.buffer);
      pool = Float32Array.from({ length: 2 ** 20 }, (_, i) => (view.getInt32(i * 4, true) / 2 ** 31) * range);
      this.#floats.set(range, pool);
    }
    this.#step(16411);
    return tiled(new Float32Array(count), pool, this.#at % (pool.length / 2));
  }

  /** Goes on to another place: if two tensors were equal, ONNX Runtime would keep one of them. */
  #step(by: number): void {
    this.#at = (this.#at + by) % (this.#pool.length / 2);
  }
}

/** Fills an array from a pool, beginning there, over and over. */
function tiled<T extends Uint8Array | Float32Array>(out: T, pool: T, from: number): T {
  let start = from;
  for (let done = 0; done < out.length; start = 0) {
    const part = pool.subarray(start, start + out.length - done);
    out.set(part, done);
    done += part.length;
  }
  return out;
}
