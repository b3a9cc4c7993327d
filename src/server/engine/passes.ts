// Passes of an opened model's decoder, one by one: a prompt, or a part of it; the next token of one sequence, or of
// several at once.
import { Tensor } from '@huggingface/transformers';
import { CACHE_LENGTHS } from '../../decoder/contract.js';
import type { FastvCall } from '../../runtime/call.js';
import type { ModelInputs } from '../../runtime/conversation.js';
import { FastvError } from '../../errors.js';
import { configuredPositions } from '../../runtime/limits.js';
import type { OpenedModel } from '../../runtime/model.js';
import { isRecord, type ForwardInputs } from '../../runtime/transformers.js';
import { BatchCache, type HeldRow } from './batch-cache.js';
import { joinRows, type CacheRow, type JoinedRows, type Numbers, type PaddingSide } from './cache-rows.js';
import {
  cacheOf,
  decoderOutputs,
  hfCache,
  steppedModel,
  type CacheTensors,
  type DecoderOutputs,
  type GenerationConfig,
  type SteppedModel,
} from './hf-model.js';
import type { Pruning } from './prompt.js';
import { hasRoomyCaches } from './open-served.js';

/** What a pass over a prompt gave. */
export interface Prefilled {
  readonly logits: Float32Array;
  readonly cache: CacheTensors;
  readonly call: FastvCall;
  /** What the model's family needs at the next pass besides tokens and cache. */
  readonly state: ForwardInputs;
}

/** What a step of decoding gave. */
export interface Decoded {
  /** Of each row. */
  readonly logits: readonly Float32Array[];
  /** The rows, each a token longer. */
  readonly rows: readonly CacheRow[];
}

/** A cache, and the unpruned length of what it holds. */
export interface Past {
  readonly tensors: CacheTensors;
  readonly length: number;
}

/** Inputs that every decoder of the plain kind takes, besides its cache. */
const PLAIN =
  /^(?:inputs_embeds|attention_mask|position_ids|num_logits_to_keep|past_key_values\.\d+\.(?:key|value))$/u;

/** The decoder of one model. */
export class DecoderPasses {
  readonly config: GenerationConfig;
  readonly vocabulary: number;
  /** The positions that it has. */
  readonly positions: number;
  /** Whether it has keys and values for states, and one position a token: its sequences can be cut and put together. */
  readonly plain: boolean;
  /** Whether {@link decodeInPlace} may be called. */
  readonly roomy: boolean;
  readonly model: SteppedModel;
  readonly #opened: OpenedModel;
  /** The keys of its layers' caches, layer by layer. */
  readonly #keys: readonly string[];

  constructor(opened: OpenedModel) {
    this.#opened = opened;
    this.model = steppedModel(opened.model);
    this.config = this.model._prepare_generation_config(null, {});
    this.positions = configuredPositions(this.model.config) ?? Infinity;
    this.vocabulary = vocabularyOf(this.model.config);
    const decoder = this.model.sessions['decoder_model_merged'];
    const layers = decoder?.inputNames.filter((name) => /^past_key_values\.\d+\.key$/u.test(name)) ?? [];
    this.#keys = layers.map((_, layer) => `past_key_values.${layer}.key`);
    const positions = decoder?.inputMetadata.find(({ name }) => name === 'position_ids');
    const axes = positions?.isTensor === true ? positions.shape.length : 2;
    this.roomy = hasRoomyCaches(this.model);
    this.plain = axes === 2 && decoder?.inputNames.every((name) => PLAIN.test(name)) === true;
  }

  /**
   * A prompt, or the part of it that follows `past`.
   * @param inputs of everything up to its end; pictures are those that are not in the past
   */
  async prefill(inputs: ModelInputs, past: Past | undefined, pruning: Pruning): Promise<Prefilled> {
    const call = this.#opened.call(this.#opened.fastv === undefined ? {} : pruning);
    const given = {
      ...inputs,
      ...(past === undefined ? {} : { past_key_values: hfCache(past.tensors, past.length) }),
    } as unknown as ForwardInputs;
    if (past !== undefined && this.plain) {
      const ids = inputs.input_ids.data as BigInt64Array;
      const rest = ids.slice(past.length);
      given.input_ids = new Tensor('int64', rest, [1, rest.length]);
    }
    const ids = [Array.from(inputs.input_ids.data as BigInt64Array)];
    const state = this.model.prepare_inputs_for_generation(ids, given, this.config);
    const outputs = decoderOutputs(await this.model.forward({ ...state, fastv: call }));
    const [logits = new Float32Array()] = lastLogits(outputs);
    return { logits, cache: cacheOf(outputs), call, state };
  }

  /**
   * The next token of sequences of a plain decoder, in a cache of its own that it gives anew.
   * @param tokens the last token of each, not in its cache yet
   */
  async decode(tokens: readonly bigint[], rows: readonly CacheRow[], side: PaddingSide): Promise<Decoded> {
    const { tensors, width } = together(rows) ?? joinRows(rows, side);
    const inputs: ForwardInputs = {
      input_ids: new Tensor('int64', BigInt64Array.from(tokens), [tokens.length, 1]),
      attention_mask: maskOf(rows, width),
      past_key_values: hfCache(tensors, width),
    };
    const prepared = this.model.prepare_inputs_for_generation([], inputs, this.config);
    const outputs = decoderOutputs(await this.model.forward({ ...prepared, fastv: this.#opened.call({}) }));
    const cache = cacheOf(outputs);
    return {
      logits: lastLogits(outputs),
      rows: rows.map(({ dropped, length }, row) => ({
        tensors: cache,
        dropped,
        row,
        length: length + 1,
        width: width + 1,
      })),
    };
  }

  /**
   * The same in buffers that stay: the decoder reads them where they lie, and gives the new token's keys and values.
   * It must take caches with room ({@link hasRoomyCaches}).
   */
  async decodeInPlace(
    tokens: readonly bigint[],
    rows: readonly HeldRow[],
    side: PaddingSide,
  ): Promise<Decoded> {
    const { decoder_model_merged: decoder, embed_tokens: embed } = this.model.sessions;
    if (decoder === undefined || embed === undefined)
      throw new FastvError('inference', 'the model has no embeddings of its own');
    const batch = rows.find((row) => row.batch !== undefined)?.batch ?? new BatchCache(side);
    const { tensors, width, places } = batch.take(rows);
    const order = rows.map((_, place) => places.indexOf(place));
    const placed = order.flatMap((index) => rows[index] ?? []);
    const last = BigInt64Array.from(order, (index) => tokens[index] ?? 0n);
    const ids = new Tensor('int64', last, [rows.length, 1]);
    const { inputs_embeds: embeds } = await embed.run({ input_ids: ids.ort_tensor });
    const given: Readonly<Record<string, Tensor>> = {
      attention_mask: maskOf(placed, width),
      position_ids: new Tensor(
        'int64',
        BigInt64Array.from(placed, ({ length }) => BigInt(length)),
        [rows.length, 1],
      ),
      num_logits_to_keep: new Tensor('int64', [0n], []),
      ...tensors,
    };
    const feeds = Object.fromEntries(
      decoder.inputNames.flatMap((name) => {
        const tensor = name === 'inputs_embeds' ? embeds : given[name]?.ort_tensor;
        return tensor === undefined ? [] : [[name, tensor]];
      }),
    );
    const dropped = placed[0]?.dropped ?? {};
    const lengths = BigInt64Array.from(this.#keys, (name) => BigInt(width - (dropped[name] ?? 0)));
    const said = new Tensor('int64', lengths, [lengths.length]);
    const outputs = await decoder.run({ ...feeds, [CACHE_LENGTHS]: said.ort_tensor });
    const { logits } = outputs;
    if (logits === undefined) throw new FastvError('inference', 'the decoder gave no logits');
    const byPlace = lastLogits({ logits: new Tensor(logits) });
    const newOf = (name: string): Numbers | undefined =>
      outputs[name.replace('past_key_values', 'present')]?.data as Numbers | undefined;
    return {
      logits: places.flatMap((place) => byPlace[place] ?? []),
      rows: batch.stepped(newOf, rows, places),
    };
  }

  /** The next token of one sequence, of whatever family. */
  async decodeAlone(
    ids: readonly bigint[],
    past: Past,
    state: ForwardInputs,
  ): Promise<{ readonly logits: Float32Array; readonly cache: CacheTensors; readonly state: ForwardInputs }> {
    const next = {
      ...state,
      input_ids: new Tensor('int64', BigInt64Array.from(ids.slice(-1)), [1, 1]),
      attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), [1, ids.length]),
      position_ids: null,
      past_key_values: hfCache(past.tensors, past.length),
    } as unknown as ForwardInputs;
    const prepared = this.model.prepare_inputs_for_generation([[...ids]], next, this.config);
    const outputs = decoderOutputs(await this.model.forward({ ...prepared, fastv: this.#opened.call({}) }));
    const [logits = new Float32Array()] = lastLogits(outputs);
    return { logits, cache: cacheOf(outputs), state: prepared };
  }
}

/** The cache that rows lie in together already, all of it and in this order. */
function together(rows: readonly CacheRow[]): JoinedRows | undefined {
  const [first] = rows;
  if (first === undefined) return undefined;
  const { tensors, width } = first;
  const held = Object.values(tensors)[0]?.dims[0];
  const same = rows.every((row, index) => row.tensors === tensors && row.row === index);
  const longest = Math.max(...rows.map(({ length }) => length));
  return same && held === rows.length && longest === width ? { tensors, width } : undefined;
}

/** `[rows, width + 1]`: of each row its own tokens and the next one, which lie at its end. */
function maskOf(rows: readonly CacheRow[], width: number): Tensor {
  const total = width + 1;
  const mask = new BigInt64Array(rows.length * total).fill(1n);
  rows.forEach(({ length }, row) => mask.fill(0n, row * total, row * total + width - length));
  return new Tensor('int64', mask, [rows.length, total]);
}

/** The last token's logits of each row, each a copy. */
function lastLogits({ logits }: DecoderOutputs): Float32Array[] {
  const last = logits.slice(null, -1, null).to('float32');
  const [rows = 0, vocabulary = 0] = last.dims;
  const data = last.data as Float32Array;
  return Array.from({ length: rows }, (_, row) => data.slice(row * vocabulary, (row + 1) * vocabulary));
}

function vocabularyOf(config: Readonly<Record<string, unknown>>): number {
  for (const part of [config['text_config'], config['llm_config'], config['language_config'], config]) {
    if (isRecord(part) && typeof part['vocab_size'] === 'number') return part['vocab_size'];
  }
  return 0;
}
