/**
 * A Transformers.js model as an answerer: the original for the unpruned conditions, and with the plug one
 * load for each strategy, with a stage at every K of the run, so that nothing is loaded twice.
 *
 * Limits: questions are asked one by one (rows of a batch are pruned to one common length, so answers
 * would depend on the company); likelihoods are those of choices that are one token long; FLOPs are
 * known where the configuration says the decoder's shape, and take its MLP to be gated.
 */
import { AutoModelForImageTextToText, Tensor, type PreTrainedTokenizer } from '@huggingface/transformers';
import { createRequire } from 'node:module';
import sharp from 'sharp';
import {
  flops,
  kvCacheBytes,
  kvCacheLengths,
  prefillMacs,
  type DecoderShape,
  type Stage,
} from '../cost/index.js';
import { FastvError } from '../errors.js';
import { ask as generate, type GeneratingModel } from '../runtime/ask.js';
import { Conversation, type ModelInputs, type RgbImage } from '../runtime/conversation.js';
import { imageTokenIds } from '../runtime/image-tokens.js';
import { fastv } from '../runtime/index.js';
import { isDecoderModel, type HfModel, type OrtSession, type OrtTensor } from '../runtime/transformers.js';
import type { Answer, Answerer, AnswererIdentity, Ask, Condition, Strategy } from './answerer.js';
import { picture, type Picture } from './datasets/picture.js';
import { poolFeatures } from './pool-features.js';
import { VisionCache } from './vision-cache.js';

export interface TransformersOptions {
  /** A folder, or a name on the hub. */
  readonly model: string;
  /** What results call the model; default: `model`. */
  readonly name?: string;
  readonly dtype?: string;
  readonly device?: string;
  /** Bytes of vision features that are kept. */
  readonly featureBytes?: number;
  /** Whether rewritten decoders are kept on disk. */
  readonly cache?: boolean;
}

type Loaded = GeneratingModel & HfModel;
type Variant = 'original' | Strategy;

/** Opens a model. Its decoders are loaded when the first condition needs them. */
export async function openTransformersAnswerer(
  options: TransformersOptions,
): Promise<Answerer & { readonly vision: VisionCache }> {
  return new TransformersAnswerer(options, await Conversation.load(options.model));
}

class TransformersAnswerer implements Answerer {
  readonly identity: AnswererIdentity;
  readonly vision: VisionCache;
  readonly #options: TransformersOptions;
  readonly #conversation: Conversation;
  readonly #layers = new Map<Strategy, readonly number[]>();
  readonly #models = new Map<Variant, Promise<Loaded>>();
  /** Inputs of the questions at hand: they are the same under every condition of one scale. */
  #inputs = new WeakMap<Ask, Map<number, Promise<ModelInputs>>>();
  /** Side of the feature grid to pool to, while a scaled-down question is asked. */
  #poolTo: number | null = null;

  constructor(options: TransformersOptions, conversation: Conversation) {
    this.#options = options;
    this.#conversation = conversation;
    this.vision = new VisionCache(options.featureBytes);
    const { model, name = model, dtype = 'fp32', device = 'cpu' } = options;
    this.identity = {
      model: name,
      options: { dtype, device },
      versions: {
        '@huggingface/transformers': versionOf('@huggingface/transformers'),
        'onnxruntime-node': versionOf('onnxruntime-node'),
      },
    };
  }

  async prepare(conditions: readonly Condition[]): Promise<void> {
    const layers = new Map<Strategy, Set<number>>();
    for (const { pruning } of conditions) {
      if (pruning === null) continue;
      const known = layers.get(pruning.strategy) ?? new Set<number>();
      layers.set(pruning.strategy, known.add(pruning.layer));
    }
    for (const [strategy, set] of layers) {
      const sorted = [...set].sort((a, b) => a - b);
      if (this.#layers.get(strategy)?.join() === sorted.join()) continue;
      this.#layers.set(strategy, sorted);
      const stale = this.#models.get(strategy);
      this.#models.delete(strategy);
      await (await stale)?.dispose();
    }
    // a decoder that cannot be pruned is to be refused before the first question, not after hours
    const variants = new Set(conditions.map((c) => c.pruning?.strategy ?? 'original'));
    for (const variant of variants) await this.#model(variant);
  }

  async answer(asks: readonly Ask[], condition: Condition): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    for (const one of asks) answers.push(await this.#answer(one, condition));
    return answers;
  }

  async close(): Promise<void> {
    for (const model of this.#models.values()) await (await model).dispose();
    this.#models.clear();
  }

  async #answer(one: Ask, condition: Condition): Promise<Answer> {
    const { pruning, imageScale } = condition;
    if (pruning !== null && this.#layers.get(pruning.strategy)?.includes(pruning.layer) !== true) {
      const known = [...(this.#layers.get(pruning.strategy) ?? [])];
      await this.prepare([
        ...known.map((layer) => ({ ...condition, pruning: { ...pruning, layer } })),
        condition,
      ]);
    }
    const model = await this.#model(pruning?.strategy ?? 'original');
    const { inputs, poolTo } = await this.#inputsOf(one, imageScale, model);
    const stages = this.#layers.get(pruning?.strategy ?? 'attention') ?? [];
    const call =
      pruning === null
        ? {}
        : {
            fastv: {
              ratio: stages.map((k) => (k === pruning.layer ? pruning.ratio : 0)),
              seed: pruning.seed,
            },
          };
    const ids = imageTokenIds(model.config);
    const all = Array.from(inputs.input_ids.data as BigInt64Array);
    const imageTokens = all.filter((id) => ids.has(id)).length;
    this.vision.milliseconds = 0;
    this.#poolTo = poolTo;
    try {
      const said =
        one.candidates === undefined
          ? await this.#say(model, inputs, one, call)
          : await this.#weigh(model, inputs, one.candidates, call);
      const report = pruning === null ? undefined : model.fastv?.last;
      const keptImageTokens = report?.rows[0]?.keptImageTokens ?? imageTokens;
      return {
        ...said.answer,
        cost: {
          tokens: all.length,
          imageTokens,
          keptImageTokens,
          generatedTokens: said.generatedTokens,
          visionMs: this.vision.milliseconds,
          prefillMs: said.prefillMs,
          decodeMs: said.decodeMs,
          ...exactCost(model.config, all.length - imageTokens, imageTokens, pruning),
        },
      };
    } finally {
      this.#poolTo = null;
    }
  }

  async #say(model: Loaded, inputs: ModelInputs, one: Ask, call: Record<string, unknown>): Promise<Said> {
    const { text, tokens, ttftMs, prefillMs, totalMs } = await generate(model, this.#conversation, inputs, {
      maxNewTokens: one.maxTokens,
      ...call,
    });
    return { answer: { text }, generatedTokens: tokens, prefillMs, decodeMs: Math.max(0, totalMs - ttftMs) };
  }

  /** The log-likelihood of each candidate as the reply's first token. */
  async #weigh(
    model: Loaded,
    inputs: ModelInputs,
    candidates: readonly string[],
    call: Record<string, unknown>,
  ): Promise<Said> {
    const start = performance.now();
    const output = (await model.forward({ ...(inputs as Record<string, unknown>), ...call })) as {
      logits: Tensor;
    };
    const prefillMs = performance.now() - start - this.vision.milliseconds;
    const [, length = 0, vocabulary = 0] = output.logits.dims;
    const logits = (output.logits.to('float32').data as Float32Array).slice(
      (length - 1) * vocabulary,
      length * vocabulary,
    );
    const logTotal = logSumExp(logits);
    const logLikelihoods = candidates.map((candidate) => {
      const ids = firstTokens(this.#conversation.tokenizer, candidate);
      return logSumExp(Float32Array.from(ids, (id) => logits[id] ?? -Infinity)) - logTotal;
    });
    return { answer: { text: '', logLikelihoods }, generatedTokens: 0, prefillMs, decodeMs: 0 };
  }

  async #inputsOf(
    one: Ask,
    scale: number,
    model: HfModel,
  ): Promise<{ inputs: ModelInputs; poolTo: number | null }> {
    const whole = await this.#prepared(one, 1);
    if (scale === 1) return { inputs: whole, poolTo: null };
    const smaller = await this.#prepared(one, scale);
    const ids = imageTokenIds(model.config);
    const count = ({ input_ids }: ModelInputs): number =>
      Array.from(input_ids.data as BigInt64Array).filter((id) => ids.has(id)).length;
    // where resolution decides the number of tokens, a smaller image is all that is needed
    if (count(smaller) < count(whole)) return { inputs: smaller, poolTo: null };
    return poolInputs(whole, ids, one.images.length, scale);
  }

  #prepared(one: Ask, scale: number): Promise<ModelInputs> {
    const known = this.#inputs.get(one) ?? new Map<number, Promise<ModelInputs>>();
    this.#inputs.set(one, known);
    const prepare = async (): Promise<ModelInputs> => {
      const images =
        scale === 1 ? one.images : await Promise.all(one.images.map((image) => scaled(image, scale)));
      return this.#conversation.inputs([{ role: 'user', text: one.prompt, images: images.map(rgb) }]);
    };
    const inputs = known.get(scale) ?? prepare();
    known.set(scale, inputs);
    return inputs;
  }

  #model(variant: Variant): Promise<Loaded> {
    const known = this.#models.get(variant);
    if (known !== undefined) return known;
    const loading = this.#load(variant);
    this.#models.set(variant, loading);
    return loading;
  }

  async #load(variant: Variant): Promise<Loaded> {
    const { model: name, dtype = 'fp32', device, cache = true } = this.#options;
    const own = { dtype, progress_callback: null, ...(device === undefined ? {} : { device }) };
    const model: unknown =
      variant === 'original'
        ? await AutoModelForImageTextToText.from_pretrained(name, own as never)
        : await fastv(AutoModelForImageTextToText as never, name, {
            ...own,
            cache,
            strategy: variant,
            layer: this.#layers.get(variant) ?? [2],
            ratio: (this.#layers.get(variant) ?? [2]).map(() => 0),
          });
    if (!isDecoderModel(model)) {
      throw new FastvError('unsupported-decoder', 'this is no image-text model of Transformers.js', {
        where: name,
      });
    }
    const encoder = model.sessions['vision_encoder'];
    if (encoder !== undefined) model.sessions['vision_encoder'] = this.#pooling(this.vision.wrap(encoder));
    return model as unknown as Loaded;
  }

  /** The encoder, whose features are pooled while a scaled-down question is asked. */
  #pooling(session: OrtSession): OrtSession {
    const runnable = session as unknown as { run(...args: unknown[]): Promise<Record<string, OrtTensor>> };
    const run = async (...args: unknown[]): Promise<Record<string, OrtTensor>> => {
      const outputs = await runnable.run(...args);
      const target = this.#poolTo;
      if (target === null) return outputs;
      return Object.fromEntries(
        Object.entries(outputs).map(([name, tensor]) => [name, pooled(tensor, target)]),
      );
    };
    return new Proxy(session, {
      get(target, name) {
        if (name === 'run') return run;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}

interface Said {
  readonly answer: Omit<Answer, 'cost'>;
  readonly generatedTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/** Inputs with so few image tokens as the pooled features will be. */
function poolInputs(
  inputs: ModelInputs,
  imageIds: ReadonlySet<bigint>,
  images: number,
  scale: number,
): { inputs: ModelInputs; poolTo: number } {
  const ids = Array.from(inputs.input_ids.data as BigInt64Array);
  const count = ids.filter((id) => imageIds.has(id)).length;
  const side = Math.sqrt(count / images);
  if (!Number.isInteger(side)) {
    throw new FastvError(
      'invalid-input',
      'this model neither takes smaller images nor has a square grid of image tokens',
      {
        hint: 'leave the scaled-down baseline out',
      },
    );
  }
  const poolTo = Math.max(1, Math.round(side * scale));
  let seen = 0;
  const kept = ids.filter((id) => !imageIds.has(id) || seen++ % side ** 2 < poolTo ** 2);
  const dims = [1, kept.length];
  return {
    inputs: {
      ...inputs,
      input_ids: new Tensor('int64', BigInt64Array.from(kept), dims),
      attention_mask: new Tensor('int64', new BigInt64Array(kept.length).fill(1n), dims),
    },
    poolTo,
  };
}

function pooled(tensor: OrtTensor, target: number): OrtTensor {
  const [width = 0, tokens = 0] = [...tensor.dims].reverse();
  const side = Math.sqrt(tokens);
  if (tensor.type !== 'float32' || !Number.isInteger(side)) {
    throw new FastvError(
      'invalid-input',
      `features of ${tensor.type} [${tensor.dims.join(', ')}] cannot be pooled`,
    );
  }
  const images = tensor.dims.slice(0, -2).reduce((a, b) => a * b, 1);
  const TensorClass = tensor.constructor as new (
    type: string,
    data: Float32Array,
    dims: readonly number[],
  ) => OrtTensor;
  const data = poolFeatures(tensor.data as Float32Array, images, side, target, width);
  return new TensorClass('float32', data, [...tensor.dims.slice(0, -2), target * target, width]);
}

async function scaled(image: Picture, scale: number): Promise<Picture> {
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  const [width, height] = [
    Math.max(1, Math.round(image.width * scale)),
    Math.max(1, Math.round(image.height * scale)),
  ];
  const data = await sharp(image.data, { raw }).resize(width, height, { fit: 'fill' }).raw().toBuffer();
  return picture(width, height, data);
}

function rgb({ data, width, height }: Picture): RgbImage {
  return { data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength), width, height };
}

/** The ids that a candidate can begin a reply with: bare or after a space. */
function firstTokens(tokenizer: PreTrainedTokenizer, candidate: string): number[] {
  const ids = [candidate, ` ${candidate}`].flatMap((text) => {
    const encoded = tokenizer.encode(text, { add_special_tokens: false });
    return encoded.length === 1 ? encoded : [];
  });
  if (ids.length === 0) {
    throw new FastvError(
      'invalid-option',
      `${JSON.stringify(candidate)} is more than one token for this model`,
      {
        where: '--choices likelihood',
        hint: 'take --choices letter',
      },
    );
  }
  return [...new Set(ids)];
}

function logSumExp(values: Float32Array): number {
  const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return most === -Infinity ? most : most + Math.log(values.reduce((sum, v) => sum + Math.exp(v - most), 0));
}

/** Exact FLOPs and KV bytes, by the shape that the configuration says. */
function exactCost(
  config: Readonly<Record<string, unknown>>,
  text: number,
  image: number,
  pruning: Condition['pruning'],
): { flops?: number; flopsUnpruned?: number; kvBytes?: number; kvBytesUnpruned?: number } {
  const shape = shapeOfConfig(config);
  if (shape === undefined) return {};
  const stages: Stage[] = pruning === null ? [] : [{ layer: pruning.layer, ratio: pruning.ratio }];
  const tokens = { text, image };
  const kv = (cut: readonly Stage[]): number => kvCacheBytes(shape, kvCacheLengths(shape, tokens, cut)).total;
  return {
    flops: flops(prefillMacs(shape, tokens, stages).total),
    flopsUnpruned: flops(prefillMacs(shape, tokens).total),
    kvBytes: kv(stages),
    kvBytesUnpruned: kv([]),
  };
}

/** A decoder's shape from its configuration, where it says all of it. */
export function shapeOfConfig(config: Readonly<Record<string, unknown>>): DecoderShape | undefined {
  for (const part of [config['text_config'], config['llm_config'], config['language_config'], config]) {
    if (typeof part !== 'object' || part === null) continue;
    const read = part as Record<string, unknown>;
    const number = (name: string): number | undefined =>
      typeof read[name] === 'number' ? read[name] : undefined;
    const [layers, hidden, heads] = [
      number('num_hidden_layers'),
      number('hidden_size'),
      number('num_attention_heads'),
    ];
    const [mlp, vocab] = [number('intermediate_size'), number('vocab_size')];
    if ([layers, hidden, heads, mlp, vocab].includes(undefined)) continue;
    if (layers === undefined || hidden === undefined || heads === undefined) continue;
    return {
      layers,
      hidden,
      heads,
      kvHeads: number('num_key_value_heads') ?? heads,
      headDim: number('head_dim') ?? hidden / heads,
      mlp: mlp ?? 0,
      mlpMatrices: 3,
      vocab: vocab ?? 0,
      kvBytesPerElement: 4,
    };
  }
  return undefined;
}

/** The version of an installed package. */
function versionOf(name: string): string {
  try {
    const require = createRequire(import.meta.url);
    const path = require.resolve(name).replace(/^(.*node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+).*$/u, '$1');
    return (require(`${path}/package.json`) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}
