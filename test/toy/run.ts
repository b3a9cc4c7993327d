// Runs decoders, rewritten or not, on ONNX Runtime: builds feeds from rows, pads them on the left, and carries
// caches and attention mask from call to call as Transformers.js does (the mask counts dropped tokens too).

import { InferenceSession, Tensor } from 'onnxruntime-node';
import { exactSession } from '../../src/runtime/unsigned-file.js';
import { convKernel, ioType, layerKind, type ToyConfig } from './config.js';
import { fromHalfBits, toHalfBits, type FloatType } from './half.js';
import { normals, seededRandom } from './random.js';
import type { Row } from './rows.js';

export type Provider = 'cpu' | 'webgpu';

export interface CallOptions {
  /** prune_ratio, one entry a stage; given to graphs that declare it (0 for every stage by default). */
  readonly ratios?: readonly number[];
  /** image_token_scores, one array a row (without padding). */
  readonly scores?: readonly ArrayLike<number>[];
  /** attention_mass of the only stage: the share of it, and the greatest share of tokens. */
  readonly mass?: readonly [number, number];
  readonly numLogitsToKeep?: number;
  /** Tokens for which the caches have room besides those that they hold: a call of one token a row (cache_lengths). */
  readonly room?: number;
  /** Whether image_token_mask marks the rows' image tokens; all false if not. */
  readonly image?: boolean;
}

export interface CallResult {
  /** [row][token][vocab]: the last tokens of each row, without its padding. */
  readonly logits: Float32Array[][];
  /** kept_indices of each row in its own call (padding taken away); undefined if the graph does not give it. */
  readonly kept: number[][] | undefined;
  /** Sequence length of each layer's present key; 0 for layers without one. */
  readonly cacheLengths: number[];
}

/** A session and the shapes that its caches start with. */
export class ToySession {
  readonly config: ToyConfig;
  readonly session: InferenceSession;

  private constructor(config: ToyConfig, session: InferenceSession) {
    this.config = config;
    this.session = session;
  }

  static async create(config: ToyConfig, bytes: Uint8Array, provider: Provider = 'cpu'): Promise<ToySession> {
    const session = await exactSession(InferenceSession, bytes, {
      executionProviders: [provider],
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      // float32 arithmetic for 8-bit QDQ weights: by default they become MatMulNBits on quantised activations
      extra: { session: { qdq_matmulnbits_accuracy_level: '1' } },
    });
    return new ToySession(config, session);
  }

  /** A batch of rows that begins with empty caches. */
  conversation(rows: number): Conversation {
    return new Conversation(this, rows);
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

export class Conversation {
  readonly #toy: ToySession;
  #states: Readonly<Record<string, Tensor>>;
  /** Attention mask of everything fed so far, a row each. */
  readonly #mask: number[][];
  #calls = 0;
  /** Everything that the last call gave, by name. */
  outputs: InferenceSession.OnnxValueMapType = {};

  constructor(toy: ToySession, rows: number) {
    this.#toy = toy;
    this.#states = emptyStates(toy.config, rows);
    this.#mask = Array.from({ length: rows }, () => []);
  }

  /** One call: rows shorter than the longest are padded on the left with noise. */
  async call(rows: readonly Row[], options: CallOptions = {}): Promise<CallResult> {
    const { config, session } = this.#toy;
    const length = Math.max(...rows.map((row) => row.embeds.length));
    const padding = rows.map((row) => length - row.embeds.length);
    this.#mask.forEach((mask, i) => {
      for (let t = 0; t < length; t++) mask.push(t < (padding[i] ?? 0) ? 0 : 1);
    });
    const { room } = options;
    const states = this.#states;
    const all = {
      ...(room === undefined ? states : withRoom(states, room)),
      ...this.#inputs(rows, padding, length, options),
      cache_lengths: int64(room === undefined ? [] : lengthsOf(config, states)),
    };
    const feeds = Object.fromEntries(
      Object.entries(all).filter(([name]) => session.inputNames.includes(name)),
    );
    const missing = session.inputNames.filter((name) => !(name in feeds));
    if (missing.length > 0) throw new Error(`the harness does not know inputs ${missing.join(', ')}`);
    const outputs = await session.run(feeds);
    this.outputs = outputs;
    this.#calls++;
    this.#states = Object.fromEntries(
      Object.entries(outputs)
        .filter(([name]) => name.startsWith('present'))
        .map(([name, tensor]) => [
          name.startsWith('present.')
            ? name.replace('present', 'past_key_values')
            : name.replace('present', 'past'),
          tensor,
        ]),
    );
    if (room !== undefined) this.#states = grown(states, this.#states);
    return {
      logits: splitLogits(
        output(outputs, 'logits'),
        padding,
        ioType(config, 'embeds'),
        (options.numLogitsToKeep ?? 0) > 0,
      ),
      kept: splitKept(outputs['kept_indices'], padding),
      cacheLengths: Array.from(
        { length: config.layers },
        (_, i) => outputs[`present.${i}.key`]?.dims[2] ?? 0,
      ),
    };
  }

  #inputs(
    rows: readonly Row[],
    padding: readonly number[],
    length: number,
    options: CallOptions,
  ): Record<string, Tensor> {
    const { config } = this.#toy;
    const batch = rows.length;
    const noise = seededRandom(1000 + this.#calls);
    const embeds = rows.flatMap((row, i) => [
      ...Array.from({ length: padding[i] ?? 0 }, () => normals(noise, config.hidden)),
      ...row.embeds,
    ]);
    const flat = new Float32Array(batch * length * config.hidden);
    embeds.forEach((embed, i) => {
      flat.set(embed, i * config.hidden);
    });
    const padded = <T>(values: (row: Row, index: number) => readonly T[], filler: T): T[] =>
      rows.flatMap((row, i) => [...Array.from({ length: padding[i] ?? 0 }, () => filler), ...values(row, i)]);
    const total = this.#mask[0]?.length ?? 0;
    const axes = config.positions === 'mrope' ? [0, 1, 2] : [0];
    const positions = axes.flatMap((axis) =>
      padded((row) => row.positions.map((p) => (typeof p === 'number' ? p : (p[axis] ?? 0))), 1),
    );
    const marks = padded<boolean>(
      (row) => (options.image === false ? row.imageMask.map(() => false) : row.imageMask),
      false,
    );
    const scores = padded<number>(
      (row, i) => Array.from(options.scores?.[i] ?? row.imageMask.map(() => 0)),
      0,
    );
    const segments = padded<readonly number[]>((row) => segmentsOf(row.imageMask), [0, -1, -1]).flat();
    return {
      inputs_embeds: floatTensor(ioType(config, 'embeds'), flat, [batch, length, config.hidden]),
      attention_mask: int64(this.#mask.flat(), [batch, total]),
      position_ids: int64(positions, config.positions === 'mrope' ? [3, batch, length] : [batch, length]),
      num_logits_to_keep: int64([options.numLogitsToKeep ?? 0], []),
      image_token_mask: new Tensor('bool', Uint8Array.from(marks, Number), [batch, length]),
      image_token_scores: new Tensor('float32', Float32Array.from(scores), [batch, length]),
      image_token_segments: int64(segments, [batch, length, 3]),
      attention_mass: new Tensor('float32', Float32Array.from(options.mass ?? [1, 1]), [1, 2]),
      prune_ratio: new Tensor('float32', Float32Array.from(options.ratios ?? [0]), [
        options.ratios?.length ?? 1,
      ]),
    };
  }
}

/** Image, row and column of each token: a run of image tokens is an image, four columns wide. */
function segmentsOf(imageMask: readonly boolean[]): number[][] {
  let image = 0;
  let index = 0;
  return imageMask.map((is, i) => {
    if (!is) return [0, -1, -1];
    if (imageMask[i - 1] !== true) {
      image++;
      index = 0;
    }
    return [image, Math.floor(index / 4), index++ % 4];
  });
}

function emptyStates(config: ToyConfig, batch: number): Record<string, Tensor> {
  const states: Record<string, Tensor> = {};
  const empty = (dims: readonly number[]): Tensor =>
    floatTensor(ioType(config, 'caches'), new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
  for (let layer = 0; layer < config.layers; layer++) {
    switch (layerKind(config, layer)) {
      case 'attention':
        for (const part of ['key', 'value']) {
          states[`past_key_values.${layer}.${part}`] = empty([batch, config.kvHeads, 0, config.headDim]);
        }
        break;
      case 'conv':
        states[`past_conv.${layer}`] = empty([batch, config.hidden, convKernel]);
        break;
      case 'recurrence':
        states[`past_recurrent.${layer}`] = empty([batch, config.hidden]);
        break;
    }
  }
  return states;
}

/** Rows of kept_indices, each relative to its row's first real token. */
function splitKept(tensor: Tensor | undefined, padding: readonly number[]): number[][] | undefined {
  if (tensor === undefined) return undefined;
  const [, width = 0] = tensor.dims;
  const data = tensor.data;
  if (!(data instanceof BigInt64Array)) throw new TypeError(`kept_indices is ${tensor.type}, not int64`);
  return padding.map((pad, row) =>
    Array.from(data.subarray(row * width, (row + 1) * width), (index) => Number(index) - pad).filter(
      (index) => index >= 0,
    ),
  );
}

/** Rows of logits; padding tokens, which come first, are taken away unless num_logits_to_keep chose the tokens. */
function splitLogits(
  tensor: Tensor,
  padding: readonly number[],
  dtype: FloatType,
  chosen: boolean,
): Float32Array[][] {
  const [, length = 0, vocab = 0] = tensor.dims;
  const values = floatValues(tensor, dtype);
  return padding.map((pad, row) =>
    Array.from({ length }, (_, t) =>
      values.slice((row * length + t) * vocab, (row * length + t + 1) * vocab),
    ).slice(chosen ? 0 : pad),
  );
}

function output(outputs: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = outputs[name];
  if (!(value instanceof Tensor)) throw new Error(`no output ${name}`);
  return value;
}

export function floatTensor(type: FloatType, values: Float32Array, dims: readonly number[]): Tensor {
  if (type === 'float32') return new Tensor('float32', values, dims);
  if (type === 'float16') return new Tensor('float16', toHalfBits(type, values), dims);
  throw new Error('onnxruntime-node has no bfloat16 tensors');
}

function floatValues(tensor: Tensor, type: FloatType): Float32Array {
  const { data } = tensor;
  if (data instanceof Float32Array) return data;
  if (data instanceof Uint16Array && type !== 'float32') return fromHalfBits(type, data);
  throw new TypeError(`${tensor.type} is not ${type}`);
}

/** Caches [batch, heads, length, size] with room behind, filled with what must not be seen. */
function withRoom(states: Readonly<Record<string, Tensor>>, room: number): Record<string, Tensor> {
  return mapCaches(states, (one) => {
    const [batch = 0, heads = 0, length = 0, size = 0] = one.dims;
    const data = new Float32Array(batch * heads * (length + room) * size).fill(7);
    for (let head = 0; head < batch * heads; head++) {
      const held = (one.data as Float32Array).subarray(head * length * size, (head + 1) * length * size);
      data.set(held, head * (length + room) * size);
    }
    return new Tensor('float32', data, [batch, heads, length + room, size]);
  });
}

/** Caches with the new token's keys and values behind. */
function grown(
  states: Readonly<Record<string, Tensor>>,
  added: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  return mapCaches(states, (one, name) => {
    const [batch = 0, heads = 0, length = 0, size = 0] = one.dims;
    const data = withRoom({ one }, 1)['one']?.data as Float32Array;
    const token = added[name]?.data as Float32Array;
    for (let head = 0; head < batch * heads; head++)
      data.set(token.subarray(head * size, (head + 1) * size), ((head + 1) * (length + 1) - 1) * size);
    return new Tensor('float32', data, [batch, heads, length + 1, size]);
  });
}

function mapCaches(
  states: Readonly<Record<string, Tensor>>,
  change: (one: Tensor, name: string) => Tensor,
): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(states).map(([name, one]) => [name, change(one, name)]));
}

function lengthsOf({ layers }: ToyConfig, states: Readonly<Record<string, Tensor>>): number[] {
  return Array.from({ length: layers }, (_, i) => states[`past_key_values.${i}.key`]?.dims[2] ?? 0);
}

function int64(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

/** Largest difference between two lists of vectors of equal shape; NaN anywhere gives NaN. */
export function maxDifference(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} vectors against ${b.length}`);
  let largest = 0;
  a.forEach((vector, i) => {
    const other = b[i] ?? [];
    if (vector.length !== other.length)
      throw new RangeError(`${vector.length} numbers against ${other.length}`);
    for (let j = 0; j < vector.length; j++) {
      // Math.max keeps a NaN once it has one
      largest = Math.max(largest, Math.abs((vector[j] ?? NaN) - (other[j] ?? NaN)));
    }
  });
  return largest;
}
