/**
 * A Transformers.js model as an answerer: the original for the unpruned conditions, and with the plug one
 * load for each strategy, with a stage at every K of the run, so that nothing is loaded twice.
 *
 * Replies are greedy. Questions share a batch only where no padding is needed (`batch.ts`).
 *
 * Limit: likelihoods are those of choices that are one token long.
 */
import { AutoModelForImageTextToText, Tensor } from '@huggingface/transformers';
import { createRequire } from 'node:module';
import { FastvError } from '../errors.js';
import type { GeneratingModel } from '../runtime/ask.js';
import { Conversation, type ModelInputs, type RgbImage } from '../runtime/conversation.js';
import { loadWithDecoder, type Loader } from '../runtime/decoder-override.js';
import { imageTokenIds, imageTokenMask } from '../runtime/image-tokens.js';
import { fastv, type WarningListener } from '../runtime/index.js';
import { isDecoderFile, nodeSessionClass } from '../runtime/node-session.js';
import { installSwap, withSwap, withWatch } from '../runtime/session-swap.js';
import { exactSwap } from '../runtime/unsigned-file.js';
import { isDecoderModel, type HfModel, type OrtSession, type OrtTensor } from '../runtime/transformers.js';
import { DEFAULT_STRATEGY, type StrategyName } from '../strategies/index.js';
import type { Answer, Answerer, AnswererIdentity, Ask, Condition } from './answerer.js';
import { batchKey, joinInputs } from './batch.js';
import type { Picture } from './datasets/picture.js';
import { exactCost, knownShape, type KnownShape } from './decoder-cost.js';
import { pooledFeatures, poolInputs, scaledPicture, type ScaledInputs } from './downsample.js';
import { greedyReplies, type Reply } from './greedy.js';
import { choiceLogLikelihoods } from './likelihood.js';
import { RunClock } from './run-clock.js';
import { VisionCache } from './vision-cache.js';

export interface TransformersOptions {
  /** A folder, or a name on the hub. */
  readonly model: string;
  /** What results call the model; default: `model`. */
  readonly name?: string;
  /** One for all parts, or one a part; default: fp32. */
  readonly dtype?: string | Readonly<Record<string, string>>;
  readonly device?: string;
  /**
   * A decoder file to run in the place of the model's own, unpruned. The model must have a decoder of the dtype all the
   * same, which is not read.
   */
  readonly decoder?: string;
  /** The folder, in the model's, of its ONNX files; default: `onnx`. */
  readonly subfolder?: string;
  /** Bytes of vision features that are kept. */
  readonly featureBytes?: number;
  /** Whether rewritten decoders are kept on disk. */
  readonly cache?: boolean;
  /** Takes the plug's warnings; default: `console.warn`. */
  readonly onWarning?: WarningListener;
}

type Loaded = GeneratingModel & HfModel;
type Variant = 'original' | StrategyName;

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
  readonly #layers = new Map<StrategyName, readonly number[]>();
  readonly #models = new Map<Variant, Promise<Loaded>>();
  /** Inputs of the questions at hand: they are the same under every condition of one scale. */
  #inputs = new WeakMap<Ask, Map<number, Promise<ModelInputs>>>();
  readonly #clock = new RunClock();
  readonly #shapes = new WeakMap<Loaded, KnownShape>();
  /** Side of the feature grid to pool to, while a scaled-down question is asked. */
  #poolTo: number | null = null;

  constructor(options: TransformersOptions, conversation: Conversation) {
    this.#options = options;
    this.#conversation = conversation;
    this.vision = new VisionCache(options.featureBytes);
    const { model, name = model, dtype = 'fp32', device = 'cpu', decoder } = options;
    this.identity = {
      model: name,
      options: {
        dtype: typeof dtype === 'string' ? dtype : JSON.stringify(dtype),
        device,
        ...(decoder === undefined ? {} : { decoder }),
      },
      versions: {
        '@huggingface/transformers': versionOf('@huggingface/transformers'),
        'onnxruntime-node': versionOf('onnxruntime-node'),
      },
    };
  }

  async prepare(conditions: readonly Condition[]): Promise<void> {
    const layers = new Map<StrategyName, Set<number>>();
    for (const { name, pruning } of conditions) {
      if (pruning === null) continue;
      if (this.#options.decoder !== undefined) {
        throw new FastvError('invalid-option', 'another decoder can be evaluated unpruned only', {
          where: name,
        });
      }
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

  async batches(asks: readonly Ask[], condition: Condition, most: number): Promise<number[][]> {
    if (most === 1) return asks.map((_, i) => [i]);
    const model = await this.#modelFor(condition);
    const ids = imageTokenIds(model.config);
    const open = new Map<string, number[]>();
    const batches: number[][] = [];
    for (const [i, ask] of asks.entries()) {
      const key = await this.#batchKey(ask, condition, model, ids);
      const batch = key === null ? undefined : open.get(key);
      if (batch !== undefined && batch.length < most) {
        batch.push(i);
        continue;
      }
      const begun = [i];
      batches.push(begun);
      if (key !== null) open.set(key, begun);
    }
    return batches;
  }

  /** Questions with one key can share a batch; null for one that has to be asked alone. */
  async #batchKey(
    ask: Ask,
    { imageScale }: Condition,
    model: Loaded,
    ids: ReadonlySet<bigint>,
  ): Promise<string | null> {
    try {
      const { inputs, poolTo } = await this.#inputsOf(ask, imageScale, model);
      const key = batchKey(inputs, ids);
      return key === null ? null : JSON.stringify([key, poolTo, ask.candidates === undefined, ask.maxTokens]);
    } catch (error) {
      if (error instanceof FastvError) return null; // it is refused when it is asked
      throw error;
    }
  }

  async answer(asks: readonly Ask[], condition: Condition): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    for (const batch of await this.batches(asks, condition, Math.max(1, asks.length))) {
      const own = batch.flatMap((i) => asks[i] ?? []);
      const said = await this.#answer(own, condition);
      batch.forEach((place, i) => {
        const answer = said[i];
        if (answer !== undefined) answers[place] = answer;
      });
    }
    return answers;
  }

  async close(): Promise<void> {
    for (const model of this.#models.values()) await (await model).dispose();
    this.#models.clear();
  }

  /** The model of a condition, with a stage at its K. */
  async #modelFor(condition: Condition): Promise<Loaded> {
    const { pruning } = condition;
    if (pruning !== null && this.#layers.get(pruning.strategy)?.includes(pruning.layer) !== true) {
      const known = [...(this.#layers.get(pruning.strategy) ?? [])];
      await this.prepare([
        ...known.map((layer) => ({ ...condition, pruning: { ...pruning, layer } })),
        condition,
      ]);
    }
    return this.#model(pruning?.strategy ?? 'original');
  }

  /** Answers questions that can share a batch. */
  async #answer(asks: readonly Ask[], condition: Condition): Promise<Answer[]> {
    const { pruning, imageScale } = condition;
    const model = await this.#modelFor(condition);
    const prepared: ScaledInputs[] = [];
    for (const one of asks) prepared.push(await this.#inputsOf(one, imageScale, model));
    const [first] = prepared;
    const [{ candidates, maxTokens } = { maxTokens: 0 }] = asks;
    if (first === undefined) return [];
    const inputs = joinInputs(prepared.map((p) => p.inputs));
    const stages = this.#layers.get(pruning?.strategy ?? DEFAULT_STRATEGY) ?? [];
    const call =
      pruning === null
        ? {}
        : {
            fastv: {
              ratio: stages.map((k) => (k === pruning.layer ? pruning.ratio : 0)),
              // each row is drawn as if it were alone
              seed: asks.map(() => pruning.seed),
            },
          };
    const tokens = first.inputs.input_ids.dims[1] ?? 0;
    const mask = imageTokenMask(first.inputs.input_ids, imageTokenIds(model.config));
    const imageTokens = mask.reduce((sum, is) => sum + is, 0);
    this.vision.milliseconds = 0;
    this.vision.questions = asks.length;
    this.#poolTo = first.poolTo;
    this.#clock.read();
    try {
      const { tokenizer } = this.#conversation;
      const said: Said[] =
        candidates === undefined
          ? await greedyReplies(model, tokenizer, inputs, maxTokens, call)
          : (await this.#firstLogits(model, inputs, call)).map((logits, i) => ({
              text: '',
              tokens: 0,
              logLikelihoods: choiceLogLikelihoods(tokenizer, logits, asks[i]?.candidates ?? []),
            }));
      const { first: prefill, others: decode } = this.#clock.read();
      const report = pruning === null ? undefined : model.fastv?.last;
      const share = 1 / asks.length;
      const exact = exactCost(this.#shapes.get(model), tokens - imageTokens, imageTokens, pruning);
      return said.map(({ text, tokens: generatedTokens, logLikelihoods }, row) => ({
        text,
        ...(logLikelihoods === undefined ? {} : { logLikelihoods }),
        cost: {
          tokens,
          imageTokens,
          keptImageTokens: report?.rows[row]?.keptImageTokens ?? imageTokens,
          generatedTokens,
          visionMs: share * this.vision.milliseconds,
          prefillMs: share * prefill,
          decodeMs: share * decode,
          ...exact,
        },
      }));
    } finally {
      this.vision.questions = 1;
      this.#poolTo = null;
    }
  }

  /** Each row's logits of the reply's first token. */
  async #firstLogits(
    model: Loaded,
    inputs: ModelInputs,
    call: Record<string, unknown>,
  ): Promise<Float32Array[]> {
    const decoder = model.sessions['decoder_model_merged'];
    const only = decoder?.inputNames.includes('num_logits_to_keep') === true;
    const output = (await model.forward({
      ...(inputs as Record<string, unknown>),
      ...(only ? { num_logits_to_keep: new Tensor('int64', [1n], []) } : {}),
      ...call,
    })) as { logits: Tensor };
    const [rows = 0, length = 0, vocabulary = 0] = output.logits.dims;
    const logits = output.logits.to('float32').data as Float32Array;
    return Array.from({ length: rows }, (_, row) => {
      const end = (row + 1) * length * vocabulary;
      return logits.slice(end - vocabulary, end);
    });
  }

  async #inputsOf(one: Ask, scale: number, model: HfModel): Promise<ScaledInputs> {
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
        scale === 1 ? one.images : await Promise.all(one.images.map((image) => scaledPicture(image, scale)));
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
    const { model: name, dtype = 'fp32', device = 'cpu', decoder, subfolder, cache = true } = this.#options;
    const own: Record<string, unknown> = {
      dtype,
      progress_callback: null,
      device, // a model's config.json could choose another
      ...(subfolder === undefined ? {} : { subfolder }),
    };
    let path = decoder;
    const Session = await nodeSessionClass();
    installSwap(Session);
    const watched: Loader = {
      from_pretrained: (model, options) =>
        AutoModelForImageTextToText.from_pretrained(model, {
          ...options,
          session_options: withWatch(options?.['session_options'] ?? {}, (source) => {
            if (typeof source.model === 'string' && isDecoderFile(source.model)) path ??= source.model;
          }),
        }),
    };
    const load = async (): Promise<unknown> => {
      if (variant !== 'original') {
        const layers = this.#layers.get(variant) ?? [2];
        const { onWarning } = this.#options;
        const plugged = { cache, strategy: variant, layer: layers, ratio: layers.map(() => 0) };
        return fastv(watched, name, {
          ...own,
          ...plugged,
          ...(onWarning === undefined ? {} : { onWarning }),
        });
      }
      if (decoder !== undefined) return loadWithDecoder(watched, name, decoder, own);
      return watched.from_pretrained(name, { ...own, session_options: withSwap({}, exactSwap(Session)) });
    };
    const model = await load();
    if (!isDecoderModel(model)) {
      throw new FastvError('unsupported-decoder', 'this is no image-text model of Transformers.js', {
        where: name,
      });
    }
    const encoder = model.sessions['vision_encoder'];
    if (encoder !== undefined) model.sessions['vision_encoder'] = this.#pooling(this.vision.wrap(encoder));
    const merged = model.sessions['decoder_model_merged'];
    if (merged !== undefined) model.sessions['decoder_model_merged'] = this.#clock.wrap(merged);
    const loaded = model as unknown as Loaded;
    const shape = await knownShape(path, model.config);
    if (shape !== undefined) this.#shapes.set(loaded, shape);
    return loaded;
  }

  /** The encoder, whose features are pooled while a scaled-down question is asked. */
  #pooling(session: OrtSession): OrtSession {
    const runnable = session as unknown as { run(...args: unknown[]): Promise<Record<string, OrtTensor>> };
    const run = async (...args: unknown[]): Promise<Record<string, OrtTensor>> => {
      const outputs = await runnable.run(...args);
      const target = this.#poolTo;
      if (target === null) return outputs;
      return Object.fromEntries(
        Object.entries(outputs).map(([name, tensor]) => [name, pooledFeatures(tensor, target)]),
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

interface Said extends Reply {
  readonly logLikelihoods?: readonly number[];
}

function rgb({ data, width, height }: Picture): RgbImage {
  return { data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength), width, height };
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
