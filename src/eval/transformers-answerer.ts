/**
 * A Transformers.js model as an answerer: the original for the unpruned conditions, and with the plug one
 * load for each strategy, with a stage at every K of the run, so that nothing is loaded twice.
 *
 * Replies are greedy. Questions share a batch only where no padding is needed (`batch.ts`).
 *
 * Limit: likelihoods are those of choices that are one token long.
 */
import { AutoModelForImageTextToText, env, Tensor } from '@huggingface/transformers';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { installedVersion } from '../runtime/installed.js';
import { Conversation, type ModelInputs, type RgbImage } from '../runtime/conversation.js';
import type { FastvCall } from '../runtime/call.js';
import type { Loader } from '../runtime/load-pretrained.js';
import { imageTokenIds, imageTokenMask } from '../runtime/image-tokens.js';
import type { WarningListener } from '../runtime/index.js';
import { openModel, type OpenedModel } from '../runtime/model.js';
import { defaultDtype } from '../runtime/model-folder.js';
import { isDecoderFile } from '../runtime/node-session.js';
import { checkSees, conversationAt, countsPixels } from '../runtime/image-size.js';
import type { Run } from '../runtime/session.js';
import { withWatch } from '../runtime/session-swap.js';
import { sleepingThreads } from '../runtime/sleeping-threads.js';
import type { HfModel } from '../runtime/transformers.js';
import { methodName } from '../strategies/index.js';
import {
  ratioOf,
  scheduledRatios,
  type Answer,
  type Answerer,
  type AnswererIdentity,
  type AskedMethod,
  type Ask,
  type Condition,
  type Pruning,
} from './answerer.js';
import { batchKey, joinInputs } from './batch.js';
import type { Picture } from './datasets/picture.js';
import { exactCost, keptAtCost, knownShape, visionCost, type KnownShape } from './decoder-cost.js';
import { pooledFeatures, poolInputs, scaledPicture, type ScaledInputs } from './downsample.js';
import { greedyReplies, type Reply } from './greedy.js';
import { choiceLogLikelihoods } from './likelihood.js';
import { modelFingerprint } from './model-fingerprint.js';
import { sampleSeed } from './sample-seed.js';
import { VisionCache } from './vision-cache.js';

export interface TransformersOptions {
  /** A folder, or a name on the hub. */
  readonly model: string;
  /** What results call the model; default: `model`. */
  readonly name?: string;
  /** One for all parts, or one a part; default: fp32. */
  readonly dtype?: string | Readonly<Record<string, string>>;
  readonly device?: string;
  /** Threads of the processor; default: one a core. */
  readonly threads?: number;
  /**
   * A decoder file to run in the place of the model's own, unpruned. The model must have a decoder of the dtype all the
   * same, which is not read.
   */
  readonly decoder?: string;
  /** The folder, in the model's, of its ONNX files; default: `onnx`. */
  readonly subfolder?: string;
  /** Bytes of vision features that are kept. */
  readonly featureBytes?: number;
  /** What else decides answers, for records: a digest of the file that a strategy was read from. */
  readonly records?: Readonly<Record<string, string>>;
  /** Whether rewritten decoders are kept on disk. */
  readonly cache?: boolean;
  /** Takes the plug's warnings; default: `console.warn`. */
  readonly onWarning?: WarningListener;
}

/** The name of a method, or `original`. */
type Variant = string;
const ORIGINAL = 'original';

function variantOf({ pruning }: Condition): Variant {
  return pruning === null ? ORIGINAL : prunedVariant(pruning);
}

/** A budget by attention holds at every stage of a decoder: each K has one of its own. */
function prunedVariant(pruning: Pruning): Variant {
  const mass = massOf(pruning);
  return mass === undefined
    ? methodName(pruning)
    : `${methodName(pruning)}, by attention at ${pruning.layer}`;
}

function massOf({ tokens }: Pruning): number | undefined {
  return tokens !== undefined && 'mass' in tokens ? tokens.mass : undefined;
}

/** Opens a model. Its decoders are loaded when the first condition needs them. */
export async function openTransformersAnswerer(
  options: TransformersOptions,
): Promise<Answerer & { readonly vision: VisionCache }> {
  const conversation = await Conversation.load(options.model);
  return new TransformersAnswerer(options, conversation, await modelFingerprint(options.model));
}

class TransformersAnswerer implements Answerer {
  #identity: AnswererIdentity;
  readonly vision: VisionCache;
  readonly #options: TransformersOptions;
  readonly #conversation: Conversation;
  readonly #layers = new Map<Variant, readonly number[]>();
  readonly #methods = new Map<Variant, Pruning>();
  readonly #models = new Map<Variant, Promise<OpenedModel>>();
  /** Its conversation at each size of images that is asked for. */
  readonly #sized = new Map<number, Conversation>();
  /** Sizes that the model was found to see. */
  readonly #sees = new Set<number>();
  /** Inputs of the questions at hand: they are the same under every condition of one size and scale. */
  #inputs = new WeakMap<Ask, Map<string, Promise<ModelInputs>>>();
  readonly #shapes = new WeakMap<OpenedModel, KnownShape>();
  /** What the vision encoder is to do for a call. */
  readonly #seen = new WeakMap<FastvCall, Seen>();

  constructor(options: TransformersOptions, conversation: Conversation, files: string | undefined) {
    this.#options = options;
    this.#conversation = conversation;
    this.vision = new VisionCache(options.featureBytes);
    const { model, name = model, dtype = defaultDtype(model), device = 'cpu', decoder, records } = options;
    this.#identity = {
      model: name,
      options: {
        dtype: typeof dtype === 'string' ? dtype : JSON.stringify(dtype),
        device,
        ...(decoder === undefined ? {} : { decoder }),
        ...(files === undefined ? {} : { files }),
        ...records,
      },
      versions: {
        '@huggingface/transformers': installedVersion('@huggingface/transformers'),
        'onnxruntime-node': installedVersion('onnxruntime-node'),
      },
    };
  }

  /** Of a model of the hub, which files it is made of is known once it has been loaded: {@link prepare}. */
  get identity(): AnswererIdentity {
    return this.#identity;
  }

  async prepare(conditions: readonly Condition[]): Promise<void> {
    const layers = new Map<Variant, Set<number>>();
    for (const { name, pruning } of conditions) {
      if (pruning === null) continue;
      if (this.#options.decoder !== undefined) {
        throw new FastvError('invalid-option', 'another decoder can be evaluated unpruned only', {
          where: name,
        });
      }
      const variant = prunedVariant(pruning);
      this.#methods.set(variant, pruning);
      const known = layers.get(variant) ?? new Set<number>();
      layers.set(variant, known.add(pruning.layer));
    }
    for (const [variant, set] of layers) {
      const sorted = [...set].sort((a, b) => a - b);
      if (this.#layers.get(variant)?.join() === sorted.join()) continue;
      this.#layers.set(variant, sorted);
      const stale = this.#models.get(variant);
      this.#models.delete(variant);
      await (await stale)?.close();
    }
    // a decoder that cannot be pruned is to be refused before the first question, not after hours
    const variants = new Set(conditions.map(variantOf));
    for (const variant of variants) await this.#model(variant);
    await this.#prepareSizes(conditions);
    if ('files' in this.#identity.options || env.cacheDir === null) return;
    const files = await modelFingerprint(join(env.cacheDir, this.#options.model));
    if (files === undefined) return;
    this.#identity = { ...this.#identity, options: { ...this.#identity.options, files } };
  }

  /** Refuses sizes of images that the model cannot see. */
  async #prepareSizes(conditions: readonly Condition[]): Promise<void> {
    for (const condition of conditions) {
      const { imageSize, pruning } = condition;
      const target = pruning?.tokens;
      for (const pixels of [imageSize, target && 'sameAs' in target ? target.sameAs : undefined]) {
        if (pixels === undefined || this.#sees.has(pixels)) continue;
        const sized = this.#conversationAt(pixels);
        await checkSees(await this.#model(variantOf(condition)), sized, pixels);
        this.#sees.add(pixels);
      }
    }
  }

  /** The conversation with images of a size; undefined: of its processor's own. */
  #conversationAt(pixels: number | undefined): Conversation {
    if (pixels === undefined) return this.#conversation;
    const known = this.#sized.get(pixels) ?? conversationAt(this.#conversation, pixels);
    this.#sized.set(pixels, known);
    return known;
  }

  async batches(asks: readonly Ask[], condition: Condition, most: number): Promise<number[][]> {
    if (most === 1) return asks.map((_, i) => [i]);
    const model = await this.#modelFor(condition);
    const open = new Map<string, number[]>();
    const batches: number[][] = [];
    for (const [i, ask] of asks.entries()) {
      const key = await this.#batchKey(ask, condition, model);
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
  async #batchKey(ask: Ask, condition: Condition, model: OpenedModel): Promise<string | null> {
    try {
      const { inputs, poolTo } = await this.#inputsOf(ask, condition, model);
      const key = batchKey(inputs, imageTokenIds(model.model.config));
      const kept = await this.#kept(ask, condition, model);
      const how = [poolTo, ask.candidates === undefined, ask.maxTokens, kept];
      return key === null ? null : JSON.stringify([key, ...how]);
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
    for (const model of this.#models.values()) await (await model).close();
    this.#models.clear();
  }

  /** The model of a condition, with a stage at its K. */
  async #modelFor(condition: Condition): Promise<OpenedModel> {
    const { pruning } = condition;
    const variant = variantOf(condition);
    if (pruning !== null && this.#layers.get(variant)?.includes(pruning.layer) !== true) {
      const known = [...(this.#layers.get(variant) ?? [])];
      await this.prepare([
        ...known.map((layer) => ({ ...condition, pruning: { ...pruning, layer } })),
        condition,
      ]);
    }
    return this.#model(variant);
  }

  /** Answers questions that can share a batch. */
  async #answer(asks: readonly Ask[], condition: Condition): Promise<Answer[]> {
    const model = await this.#modelFor(condition);
    const prepared: ScaledInputs[] = [];
    for (const one of asks) prepared.push(await this.#inputsOf(one, condition, model));
    const [first] = prepared;
    const [ask] = asks;
    if (first === undefined || ask === undefined) return [];
    const { candidates, maxTokens } = ask;
    const keep = await this.#kept(ask, condition, model);
    const pruning =
      condition.pruning === null || keep === undefined
        ? condition.pruning
        : { ...condition.pruning, tokens: { keep } };
    const inputs = joinInputs(prepared.map((p) => p.inputs));
    const stages = this.#layers.get(variantOf(condition)) ?? [];
    const mask = imageTokenMask(first.inputs.input_ids, imageTokenIds(model.model.config));
    const imageTokens = mask.reduce((sum, is) => sum + is, 0);
    const layers = this.#shapes.get(model)?.shape.layers;
    const ratio =
      pruning === null || pruning.schedule !== undefined ? 0 : ratioOf(pruning, imageTokens, layers);
    const mass = pruning === null ? undefined : massOf(pruning);
    const scheduled = pruning === null ? undefined : scheduledRatios(pruning, imageTokens, layers);
    const call = model.call(
      pruning === null
        ? {}
        : {
            ...(mass !== undefined
              ? { mass }
              : pruning.schedule === undefined
                ? { ratio: stages.map((k) => (k === pruning.layer ? ratio : 0)) }
                : scheduled && { ratio: scheduled }),
            // each row is drawn as if it were alone, and each sample anew
            seed: asks.map(({ sample }) => sampleSeed(pruning.seed, sample)),
          },
    );
    this.#seen.set(call, { questions: asks.length, poolTo: first.poolTo });
    const tokens = first.inputs.input_ids.dims[1] ?? 0;
    const { tokenizer } = this.#conversation;
    const said: Said[] =
      candidates === undefined
        ? await greedyReplies(model.model, tokenizer, inputs, maxTokens, { fastv: call })
        : (await this.#firstLogits(model.model, inputs, call)).map((logits, i) => ({
            text: '',
            tokens: 0,
            logLikelihoods: choiceLogLikelihoods(tokenizer, logits, asks[i]?.candidates ?? []),
          }));
    const { ms, report } = call;
    const share = 1 / asks.length;
    const pruned =
      pruning === null || report === undefined
        ? null
        : {
            layers: pruning.schedule === undefined ? [pruning.layer] : report.layer,
            layerTokens: report.layerTokens,
          };
    const exact = exactCost(this.#shapes.get(model), tokens - imageTokens, imageTokens, pruned);
    return said.map(({ text, tokens: generatedTokens, logLikelihoods }, row) => ({
      text,
      ...(logLikelihoods === undefined ? {} : { logLikelihoods }),
      cost: {
        tokens,
        imageTokens,
        keptImageTokens: report?.rows[row]?.keptImageTokens ?? imageTokens,
        generatedTokens,
        visionMs: share * ms.vision,
        prefillMs: share * ms.prefill,
        decodeMs: share * ms.decode,
        ...exact,
        // all images of a batch have one shape
        ...visionCost(model.model.config, first.inputs),
      },
    }));
  }

  /** How many image tokens are kept where another size's FLOPs say so. */
  async #kept(
    ask: Ask,
    { pruning, ...condition }: Condition,
    model: OpenedModel,
  ): Promise<number | undefined> {
    const target = pruning?.tokens;
    if (pruning === null || target === undefined || !('sameAs' in target)) return undefined;
    const ids = imageTokenIds(model.model.config);
    const [own, other] = [
      await this.#inputsOf(ask, { ...condition, pruning: null }, model),
      await this.#inputsOf(
        ask,
        { ...condition, pruning: null, imageScale: 1, imageSize: target.sameAs },
        model,
      ),
    ].map(({ inputs }) => {
      const image = countOf(inputs, ids);
      const tokens = inputs.input_ids.dims[1] ?? 0;
      return { text: tokens - image, image, vision: visionCost(model.model.config, inputs).visionFlops };
    });
    if (own === undefined || other === undefined) return undefined;
    return keptAtCost(this.#shapes.get(model), pruning.layer, target, own, other);
  }

  /** Each row's logits of the reply's first token. */
  async #firstLogits(model: HfModel, inputs: ModelInputs, call: FastvCall): Promise<Float32Array[]> {
    const decoder = model.sessions['decoder_model_merged'];
    const only = decoder?.inputNames.includes('num_logits_to_keep') === true;
    const output = (await model.forward({
      ...(inputs as Record<string, unknown>),
      ...(only ? { num_logits_to_keep: new Tensor('int64', [1n], []) } : {}),
      fastv: call,
    })) as { logits: Tensor };
    const [rows = 0, length = 0, vocabulary = 0] = output.logits.dims;
    const logits = output.logits.to('float32').data as Float32Array;
    return Array.from({ length: rows }, (_, row) => {
      const end = (row + 1) * length * vocabulary;
      return logits.slice(end - vocabulary, end);
    });
  }

  async #inputsOf(
    one: Ask,
    { imageScale: scale, imageSize: size }: Condition,
    model: OpenedModel,
  ): Promise<ScaledInputs> {
    const whole = await this.#prepared(one, 1, size);
    if (scale === 1) return { inputs: whole, poolTo: null };
    const ids = imageTokenIds(model.model.config);
    // an image that is brought to a size is seen no smaller for being made smaller before
    const smaller =
      size === undefined
        ? await this.#prepared(one, scale)
        : countsPixels(this.#conversation)
          ? await this.#prepared(one, 1, Math.round(size * scale))
          : whole;
    // where resolution decides the number of tokens, a smaller image is all that is needed
    if (countOf(smaller, ids) < countOf(whole, ids)) return { inputs: smaller, poolTo: null };
    return poolInputs(whole, ids, one.images.length, scale);
  }

  #prepared(one: Ask, scale: number, size?: number): Promise<ModelInputs> {
    const known = this.#inputs.get(one) ?? new Map<string, Promise<ModelInputs>>();
    const conversation = this.#conversationAt(size);
    this.#inputs.set(one, known);
    const prepare = async (): Promise<ModelInputs> => {
      const images =
        scale === 1 ? one.images : await Promise.all(one.images.map((image) => scaledPicture(image, scale)));
      return conversation.inputs([
        {
          role: 'user',
          text: one.prompt,
          images: images.map(rgb),
          video: one.video === true,
          ...(one.parts === undefined ? {} : { parts: one.parts }),
        },
      ]);
    };
    const key = `${scale} ${size ?? 'own'}`;
    const inputs = known.get(key) ?? prepare();
    known.set(key, inputs);
    return inputs;
  }

  #model(variant: Variant): Promise<OpenedModel> {
    const known = this.#models.get(variant);
    if (known !== undefined) return known;
    const loading = this.#load(variant);
    this.#models.set(variant, loading);
    return loading;
  }

  async #load(variant: Variant): Promise<OpenedModel> {
    const {
      model: name,
      dtype = defaultDtype(name),
      device = 'cpu',
      decoder,
      subfolder,
      cache = true,
      threads,
      onWarning,
    } = this.#options;
    let path = decoder;
    // the decoder's file tells its shape
    const modelClass: Loader = {
      from_pretrained: (model, options) =>
        AutoModelForImageTextToText.from_pretrained(model, {
          ...options,
          session_options: withWatch(options?.['session_options'] ?? {}, (source) => {
            if (typeof source.model === 'string' && isDecoderFile(source.model)) path ??= source.model;
          }),
        }),
    };
    const layers = variant === ORIGINAL ? [] : (this.#layers.get(variant) ?? [2]);
    const pruning = this.#methods.get(variant);
    const { strategy, weights, merge, schedule, perImage }: Partial<AskedMethod> = pruning ?? {};
    const mass = pruning === undefined ? undefined : massOf(pruning);
    const fastv =
      variant === ORIGINAL
        ? undefined
        : {
            cache,
            ...(strategy && { strategy }),
            ...(weights && { weights }),
            ...(merge && { merge }),
            ...(perImage && { perImage }),
            ...(mass !== undefined
              ? { layer: layers, mass }
              : schedule === undefined
                ? { layer: layers, ratio: layers.map(() => 0) }
                : { preset: schedule }),
            ...(onWarning === undefined ? {} : { onWarning }),
          };
    const model = await openModel(name, {
      modelClass,
      conversation: this.#conversation,
      loading: {
        dtype,
        progress_callback: null,
        device,
        session_options: sleepingThreads(threads),
        ...(subfolder === undefined ? {} : { subfolder }),
      },
      vision: (run, call) => this.#vision(run, call === undefined ? undefined : this.#seen.get(call)),
      ...(fastv === undefined ? {} : { fastv }),
      ...(fastv === undefined && decoder !== undefined ? { decoder } : {}),
    });
    const shape = await knownShape(path, model.model.config);
    if (shape !== undefined) this.#shapes.set(model, shape);
    return model;
  }

  /** The encoder behind its cache, its features pooled where a scaled-down question asks for it. */
  #vision(run: Run, { questions, poolTo }: Seen = { questions: 1, poolTo: null }): Run {
    const cached = this.vision.before(run, questions);
    if (poolTo === null) return cached;
    return async (feeds, ...rest) =>
      Object.fromEntries(
        Object.entries(await cached(feeds, ...rest)).map(([name, tensor]) => [
          name,
          pooledFeatures(tensor, poolTo),
        ]),
      );
  }
}

function countOf({ input_ids }: ModelInputs, ids: ReadonlySet<bigint>): number {
  return Array.from(input_ids.data as BigInt64Array).filter((id) => ids.has(id)).length;
}

/** What the vision encoder has to know of a call. */
interface Seen {
  /** Questions whose images come together. */
  readonly questions: number;
  /** Side of the feature grid to pool to. */
  readonly poolTo: number | null;
}

interface Said extends Reply {
  readonly logLikelihoods?: readonly number[];
}

function rgb({ data, width, height }: Picture): RgbImage {
  return { data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength), width, height };
}
