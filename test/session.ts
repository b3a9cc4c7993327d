// Runs decoders in ONNX Runtime as a caller does: the cache of one call is the past of the next.
import * as ort from 'onnxruntime-node';
import { concatChunks, encodeModel, type OnnxModel } from '../src/onnx/index.js';

/** Where a session runs. */
export type Provider = 'cpu' | 'webgpu';

/** What one call brings. */
export interface Call {
  readonly batch: number;
  readonly sequence: number;
  readonly hidden: number;
  readonly embeds: Float32Array;
  /** Over the whole past and this call; all ones unless given. */
  readonly attentionMask?: readonly number[];
  readonly positionIds?: readonly number[];
  readonly imageTokenMask?: readonly boolean[];
  readonly ratios?: readonly number[];
  readonly scores?: readonly number[];
}

/** What one call gave. */
export interface Answer {
  readonly logits: Float32Array;
  /** [batch, sequence, vocabulary] */
  readonly logitsDims: readonly number[];
  /** Kept places, row after row. */
  readonly kept: readonly number[];
  readonly keptDims: readonly number[];
  /** Length of the key cache, layer by layer. */
  readonly cacheLengths: readonly number[];
}

export interface OpenOptions {
  readonly externalData?: readonly { path: string; data: Uint8Array }[];
  readonly provider?: Provider;
  /** Where the graph has no number for it. */
  readonly headSize?: number;
}

/** A decoder with its cache. */
export class Conversation {
  readonly #session: ort.InferenceSession;
  readonly #headSize: number;
  #cache = new Map<string, ort.Tensor>();
  #past = 0;

  private constructor(session: ort.InferenceSession, headSize: number) {
    this.#session = session;
    this.#headSize = headSize;
  }

  /** Loads a model. */
  static async open(model: OnnxModel, options: OpenOptions = {}): Promise<Conversation> {
    const session = await ort.InferenceSession.create(concatChunks(encodeModel(model)), {
      executionProviders: [options.provider ?? 'cpu'],
      logSeverityLevel: 3,
      externalData: options.externalData ?? [],
    });
    return new Conversation(session, options.headSize ?? 16);
  }

  /** Forgets the cache. */
  reset(): void {
    this.#cache = new Map();
    this.#past = 0;
  }

  async call(call: Call): Promise<Answer> {
    const { batch, sequence, hidden } = call;
    const total = this.#past + sequence;
    const feeds: Record<string, ort.Tensor> = {};
    for (const info of this.#session.inputMetadata) {
      if (!info.isTensor) throw new TypeError(`${info.name} is no tensor`);
      const tokens = batch * sequence;
      switch (info.name) {
        case 'inputs_embeds':
          feeds[info.name] = new ort.Tensor('float32', call.embeds, [batch, sequence, hidden]);
          break;
        case 'attention_mask':
          feeds[info.name] = int64(call.attentionMask ?? ones(batch * total), [batch, total]);
          break;
        case 'position_ids':
          feeds[info.name] = int64(
            call.positionIds ?? Array.from({ length: tokens }, (_, i) => this.#past + (i % sequence)),
            info.shape.length === 3 ? [3, batch, sequence] : [batch, sequence],
          );
          break;
        case 'image_token_mask':
          feeds[info.name] = new ort.Tensor(
            'bool',
            call.imageTokenMask ?? Array.from({ length: tokens }, () => false),
            [batch, sequence],
          );
          break;
        case 'prune_ratio':
          feeds[info.name] = new ort.Tensor(
            'float32',
            Float32Array.from(call.ratios ?? Array.from({ length: Number(info.shape[0]) }, () => 0)),
            info.shape as number[],
          );
          break;
        case 'image_token_scores':
          feeds[info.name] = new ort.Tensor('float32', Float32Array.from(call.scores ?? ones(tokens)), [
            batch,
            sequence,
          ]);
          break;
        default: {
          const cached = this.#cache.get(info.name);
          const dims = info.shape.map((d, axis) =>
            typeof d === 'number' ? d : axis === 0 ? batch : axis === 2 ? 0 : this.#headSize,
          );
          feeds[info.name] = cached ?? new ort.Tensor('float32', new Float32Array(0), dims);
        }
      }
    }
    const results = await this.#session.run(feeds);
    this.#past = total;
    const cacheLengths: number[] = [];
    for (const [name, tensor] of Object.entries(results)) {
      if (!name.startsWith('present')) continue;
      this.#cache.set(name.replace('present', 'past_key_values'), tensor);
      if (name.endsWith('.key')) cacheLengths[Number(name.split('.')[1])] = tensor.dims[2] ?? 0;
    }
    const { logits, kept_indices: kept } = results;
    if (logits === undefined) throw new TypeError('no logits');
    return {
      logits: logits.data as Float32Array,
      logitsDims: logits.dims,
      kept: kept === undefined ? [] : Array.from(kept.data as BigInt64Array, Number),
      keptDims: kept?.dims ?? [],
      cacheLengths,
    };
  }
}

/** The last token's logits of one row. */
export function lastLogits({ logits, logitsDims }: Answer, row = 0): Float32Array {
  const [, sequence = 0, vocabulary = 0] = logitsDims;
  const end = (row * sequence + sequence) * vocabulary;
  return logits.subarray(end - vocabulary, end);
}

/** The largest absolute difference. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let max = 0;
  for (let i = 0; i < a.length; i++)
    max = Math.max(max, Math.abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN)) || 0);
  return max;
}

function int64(values: readonly number[], dims: readonly number[]): ort.Tensor {
  return new ort.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

function ones(count: number): number[] {
  return Array.from({ length: count }, () => 1);
}
