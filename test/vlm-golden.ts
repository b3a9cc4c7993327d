// Tiny checkpoints of vision-language models with what Hugging Face's own code computes from them (test/fixtures/vlm), and
// the built model run on the same inputs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { unsigned } from '../src/quantize/unsigned.js';
import { rewriteDecoder } from '../src/rewrite/index.js';
import { concatChunks, decodeModel, encodeModel, externalFiles } from '../src/onnx/index.js';

export const FIXTURES = process.env['FASTV_VLM_FIXTURES'] ?? join(import.meta.dirname, 'fixtures', 'vlm');

interface StoredArray {
  readonly file: string;
  readonly shape: readonly number[];
}

export interface Pruned {
  readonly K: number;
  readonly R: number;
  readonly kept_indices: readonly number[];
  readonly decode_tokens: readonly number[];
  readonly next_token: number;
  readonly cache_lengths_after_decode: readonly number[];
  readonly prefix: string;
}

export interface GoldenCase {
  readonly name: string;
  readonly images?: readonly string[];
  readonly video_frames?: readonly string[];
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[];
  readonly prompt?: string;
  readonly input_ids: readonly number[];
  readonly image_token_mask: readonly number[];
  readonly position_ids: readonly number[] | readonly (readonly number[])[];
  readonly rope_delta?: number;
  readonly decode_tokens: readonly number[];
  readonly next_token: number;
  readonly fastv: readonly Pruned[];
  readonly arrays: Readonly<Record<string, StoredArray>>;
  readonly [more: string]: unknown;
}

/** A family's golden cases. */
export function goldenCases(family: string): readonly GoldenCase[] {
  const text = readFileSync(join(FIXTURES, family, 'golden.json'), 'utf8');
  return (JSON.parse(text) as { cases: GoldenCase[] }).cases;
}

/** An array of a case; undefined where it has none of this name. */
export function goldenArray(family: string, golden: GoldenCase, name: string): Float32Array | undefined {
  const stored = golden.arrays[name];
  if (stored === undefined) return undefined;
  const bytes = readFileSync(join(FIXTURES, family, stored.file));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** The largest difference; infinite where the lengths differ. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)) || 0);
  return Array.from(a).some(Number.isNaN) ? Infinity : most;
}

type Tensors = Record<string, ort.Tensor>;

export const int64 = (values: readonly number[], dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values.map(BigInt)), dims);
export const float32 = (values: Float32Array, dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('float32', values, dims);

const QUIET = { logSeverityLevel: 3 } as const;

/** A built model, opened. */
export class BuiltModel {
  readonly #folder: string;
  readonly #suffix: string;

  constructor(folder: string, suffix = '') {
    this.#folder = join(folder, 'onnx');
    this.#suffix = suffix;
  }

  #path(part: string): string {
    return join(this.#folder, `${part}${this.#suffix}.onnx`);
  }

  /** One run of a part. */
  async run(part: string, feeds: Tensors): Promise<Tensors> {
    const session = await ort.InferenceSession.create(this.#path(part), QUIET);
    const known = Object.fromEntries(
      Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)),
    );
    const results = await session.run(known);
    await session.release();
    return results;
  }

  async embed(ids: readonly number[]): Promise<ort.Tensor> {
    const { inputs_embeds: embeds } = await this.run('embed_tokens', {
      input_ids: int64(ids, [1, ids.length]),
    });
    if (embeds === undefined) throw new TypeError('no inputs_embeds');
    return embeds;
  }

  /** The decoder, rewritten to prune after layer K unless K is absent. */
  async decoder(layer?: number): Promise<ort.InferenceSession> {
    // int8 products that saturate, as fastv loads them
    const model = unsigned(decodeModel(readFileSync(this.#path('decoder_model_merged')))).model;
    const externalData = externalFiles(model).map((path) => ({
      path,
      data: new Uint8Array(readFileSync(join(this.#folder, path))),
    }));
    const final = layer === undefined ? model : rewriteDecoder(model, { stages: [{ layer }] }).model;
    return ort.InferenceSession.create(concatChunks(encodeModel(final)), { ...QUIET, externalData });
  }
}

/** Tokens that see each other: Gemma 3's images; PaliGemma's prompt, which Hugging Face's token types have as 0. */
function typesOf({
  token_type_ids: types,
  image_token_mask: images,
  input_ids: ids,
}: GoldenCase): readonly number[] {
  const prefix = Array.isArray(types) && !types.flat().includes(1);
  return prefix ? ids.map(() => 1) : images;
}

/** What a prefill and its decoding steps gave. */
export interface Decoded {
  /** Of the last token of each call. */
  readonly logits: readonly Float32Array[];
  readonly kept: readonly number[];
  readonly cacheLengths: readonly number[];
}

/** A prompt and then some tokens, one at a time, at the positions that the case has. */
export async function decode(
  model: BuiltModel,
  session: ort.InferenceSession,
  golden: GoldenCase,
  embeds: ort.Tensor,
  { tokens, ratio }: { readonly tokens: readonly number[]; readonly ratio?: number },
): Promise<Decoded> {
  const length = golden.input_ids.length;
  const three = Array.isArray(golden.position_ids[0]);
  const positions = golden.position_ids.flat();
  const next = (step: number): number =>
    three ? length + step + (golden.rope_delta ?? 0) : (positions[length - 1] ?? 0) + 1 + step;
  let cache: Tensors = {};
  let kept: readonly number[] = [];
  const logits: Float32Array[] = [];
  for (let call = 0; call <= tokens.length; call++) {
    const prefill = call === 0;
    const token = tokens[call - 1] ?? 0;
    const count = prefill ? length : 1;
    const total = length + call;
    const at = prefill ? positions : Array<number>(three ? 3 : 1).fill(next(call - 1));
    const feeds: Tensors = {
      inputs_embeds: prefill ? embeds : await model.embed([token]),
      attention_mask: int64(Array<number>(total).fill(1), [1, total]),
      position_ids: int64(at, three ? [3, 1, count] : [1, count]),
      num_logits_to_keep: new ort.Tensor('int64', [1n], []),
      image_token_mask: new ort.Tensor(
        'bool',
        prefill ? golden.image_token_mask.map((one) => one === 1) : [false],
        [1, count],
      ),
      token_type_ids: int64(prefill ? typesOf(golden) : [0], [1, count]),
      prune_ratio: float32(Float32Array.of(ratio ?? 0), [1]),
      ...cache,
    };
    for (const info of session.inputMetadata) {
      if (feeds[info.name] !== undefined || !info.isTensor || !info.name.startsWith('past')) continue;
      const dims = info.shape.map((axis, i) => (typeof axis === 'number' ? axis : i === 0 ? 1 : 0));
      const half = info.type === 'float16';
      const none = half ? new Uint16Array(0) : new Float32Array(0);
      feeds[info.name] = new ort.Tensor(half ? 'float16' : 'float32', none, dims);
    }
    const results = await session.run(
      Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name))),
    );
    const all = results['logits']?.data as Float32Array;
    logits.push(all.slice(-(results['logits']?.dims.at(-1) ?? 0)));
    if (prefill) kept = Array.from((results['kept_indices']?.data ?? []) as BigInt64Array, Number);
    cache = Object.fromEntries(
      Object.entries(results)
        .filter(([name]) => name.startsWith('present'))
        .map(([name, tensor]) => [name.replace('present', 'past_key_values'), tensor]),
    );
  }
  const cacheLengths = Object.entries(cache)
    .filter(([name]) => name.endsWith('.key'))
    .map(([, tensor]) => tensor.dims[2] ?? 0);
  return { logits, kept, cacheLengths };
}
