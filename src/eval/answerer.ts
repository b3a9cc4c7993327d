/**
 * What an evaluation needs of a model: answers to questions about images, under a condition. The runtime
 * implements it; tests use a fake. Nothing here knows of ONNX or Transformers.js.
 */
import { FastvError } from '../errors.js';
import {
  DEFAULT_STRATEGY,
  isSeeded,
  methodName,
  stagesOfMean,
  type Method,
  type Strategy,
  type StrategyName,
} from '../strategies/index.js';
import type { Picture } from './datasets/picture.js';

/** A way of pruning, by a listed strategy or one of the user's own. */
export interface AskedMethod extends Omit<Method, 'strategy'> {
  readonly strategy: StrategyName | Strategy;
}

/** Pruning inside the decoder. With a schedule, that says K and R. */
export interface Pruning extends AskedMethod {
  /** K. */
  readonly layer: number;
  /** R in [0, 1]. */
  readonly ratio: number;
  /** Of a strategy that draws; 0 for the others. */
  readonly seed: number;
  /** Image tokens in the place of `ratio`, which then does not count: R follows from each prompt. */
  readonly tokens?: TokenTarget;
}

/**
 * How many image tokens are kept behind K; how many a layer sees on average over all layers, the papers' "192, 128, 64
 * tokens" (SparseVLM, arXiv 2410.04417); as many as hold this share of the attention to image tokens; or the most with which
 * a prompt costs no more than the same prompt unpruned, its images seen at `sameAs` pixels, does: the FLOPs of the decoder, or
 * of the vision encoder too.
 */
export type TokenTarget =
  | { readonly keep: number }
  | { readonly mean: number }
  | { readonly mass: number }
  | { readonly sameAs: number; readonly flops: FlopsOf };

/** Whose FLOPs are counted. */
export type FlopsOf = 'decoder' | 'total';

/** Under what a model answers: one cell of a sweep. */
export interface Condition {
  /** Short and unique in a run: `unpruned`, `K2-R50-attention`, … */
  readonly name: string;
  readonly pruning: Pruning | null;
  /** Side length that images are scaled to, as a share of their own, before the model sees them; 1 is unscaled. */
  readonly imageScale: number;
  /** Pixels of the side at which the model sees images, where that is not its processor's own. */
  readonly imageSize?: number;
}

/** A question to be answered. */
export interface Ask {
  /** The sample that it is of, unique in a run: what is drawn at random is drawn for it. */
  readonly sample?: string;
  readonly images: readonly Picture[];
  /** Whether they are the frames of one video. */
  readonly video?: boolean;
  readonly prompt: string;
  /** How the prompt and the images follow each other, where images do not all come first: `null` is the next image. */
  readonly parts?: readonly (string | null)[];
  /** If given, the log-likelihood of each as the reply is wanted, no text. */
  readonly candidates?: readonly string[];
  readonly maxTokens: number;
}

/** What an answer cost. Times are milliseconds inside the engine; of what a batch took, each answer has its share. */
export interface AnswerCost {
  /** Tokens of the prompt with its images, how many of them are image tokens, how many of those were kept. */
  readonly tokens: number;
  readonly imageTokens: number;
  readonly keptImageTokens: number;
  readonly generatedTokens: number;
  readonly visionMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** Prefill FLOPs of the decoder, and what they would be without pruning. */
  readonly flops?: number;
  readonly flopsUnpruned?: number;
  /** FLOPs of the vision encoder, where its shape is known. */
  readonly visionFlops?: number;
  /** Bytes of the KV cache after prefill, and what they would be without pruning. */
  readonly kvBytes?: number;
  readonly kvBytesUnpruned?: number;
  /** Whether they follow from the decoder's graph, or from its configuration, which leaves some things open. */
  readonly shapeFrom?: 'graph' | 'configuration';
}

export interface Answer {
  readonly text: string;
  /** One a candidate, where candidates were given. */
  readonly logLikelihoods?: readonly number[];
  readonly cost: AnswerCost;
}

/** Which model answers, for records. Two answerers with equal identity give equal answers. */
export interface AnswererIdentity {
  readonly model: string;
  /** What else decides its answers: weights' type, device, revision, … */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** Versions of the software that runs it. */
  readonly versions: Readonly<Record<string, string>>;
}

/** A model that answers questions about images. */
export interface Answerer {
  readonly identity: AnswererIdentity;
  /** Told once which conditions will be asked under, so that one graph can serve all of them. */
  prepare?(conditions: readonly Condition[]): Promise<void>;
  /**
   * Which questions can be answered at once, exactly as one by one.
   * @param most questions in one batch
   * @returns the places of the questions of each batch, every question once; without this, they are taken as they come
   */
  batches?(asks: readonly Ask[], condition: Condition, most: number): Promise<readonly (readonly number[])[]>;
  /**
   * Answers questions under one condition, in order. The same images come again under every condition,
   * so implementations keep their vision features (by `Picture.key` and `imageScale`) for a while.
   * @throws FastvError `invalid-input` for a question that cannot be asked (skipped if `--on-error skip`)
   */
  answer(asks: readonly Ask[], condition: Condition): Promise<readonly Answer[]>;
  close?(): Promise<void>;
}

export const UNPRUNED: Condition = { name: 'unpruned', pruning: null, imageScale: 1 };

/** What the others of a run are compared with: the first that neither prunes nor scales down. */
export function baseOf(conditions: readonly Condition[]): Condition | undefined {
  return conditions.find(({ pruning, imageScale }) => pruning === null && imageScale === 1);
}

/** How images are seen, as keys have it. Without a size it is what it was before there were any, so that old keys hold. */
export function seenAs({ imageScale, imageSize }: Condition): unknown {
  return imageSize === undefined ? imageScale : { imageScale, imageSize };
}

/** Conditions at each of some sizes; as they are where there are none. */
export function atSizes(
  imageSizes: readonly number[],
  conditions: readonly Condition[],
): readonly Condition[] {
  const sizes = [...new Set(imageSizes)];
  if (sizes.length === 0) return conditions;
  return sizes.flatMap((size) => conditions.map((condition) => atSize(size, condition)));
}

/** A condition with images seen at so many pixels: `144px-unpruned`, `144px-K2-R50-attention`. */
export function atSize(imageSize: number, condition: Condition): Condition {
  return { ...condition, name: `${imageSize}px-${condition.name}`, imageSize };
}

/** The condition of one K, R and method, by its usual name; a strategy alone is a method too. */
export function prunedCondition(
  layer: number,
  ratio: number,
  given: StrategyName | AskedMethod = DEFAULT_STRATEGY,
  seed = 0,
): Condition {
  const method = typeof given === 'string' ? { strategy: given } : given;
  if (method.schedule !== undefined) return scheduledCondition(method);
  const percent = Number((100 * ratio).toFixed(4));
  const seeded = isSeeded(method.strategy);
  const suffix = seeded ? `-s${seed}` : '';
  return {
    name: `K${layer}-R${percent}-${methodName(method)}${suffix}`,
    pruning: { layer, ratio, ...method, seed: seeded ? seed : 0 },
    imageScale: 1,
  };
}

/**
 * The condition of one K and a number of image tokens: `K2-B64-attention`, `K2-M128-attention` for a mean over layers,
 * `K2-A90-attention` for 90 % of the attention, `K2-F96px-attention` for the decoder's FLOPs at 96 px (`T`: all FLOPs).
 */
export function tokensCondition(
  layer: number,
  tokens: TokenTarget,
  method: StrategyName | AskedMethod = DEFAULT_STRATEGY,
  seed = 0,
): Condition {
  if (typeof method !== 'string' && method.schedule !== undefined) return scheduledCondition(method, tokens);
  const { name, pruning } = prunedCondition(layer, 0, method, seed);
  const count = countOf(tokens);
  return {
    name: name.replace('-R0-', `-${count}-`),
    pruning: pruning === null ? null : { ...pruning, tokens },
    imageScale: 1,
  };
}

function countOf(tokens: TokenTarget): string {
  if ('keep' in tokens) return `B${tokens.keep}`;
  if ('sameAs' in tokens) return `${tokens.flops === 'decoder' ? 'F' : 'T'}${tokens.sameAs}px`;
  return 'mean' in tokens ? `M${tokens.mean}` : `A${Number((100 * tokens.mass).toFixed(4))}`;
}

/** The condition of a schedule, as it is or with its shares scaled to a mean over layers: `preset-pyramid`, `preset-pyramid-M36`. */
function scheduledCondition(method: AskedMethod, tokens?: TokenTarget): Condition {
  if (tokens !== undefined && !('mean' in tokens)) {
    throw new FastvError('invalid-option', 'a schedule keeps another number at each of its stages', {
      where: methodName(method),
      hint: 'Give a mean over layers, or leave the number out.',
    });
  }
  return {
    name: tokens === undefined ? methodName(method) : `${methodName(method)}-M${tokens.mean}`,
    pruning: { layer: 0, ratio: 0, ...method, seed: 0, ...(tokens && { tokens }) },
    imageScale: 1,
  };
}

/**
 * R of each stage of a schedule that is to come to a mean over layers.
 * @throws FastvError `invalid-option` for a mean that its first layers exceed already
 */
export function scheduledRatios(
  { schedule, tokens }: Pruning,
  imageTokens: number,
  layers: number | undefined,
): readonly number[] | undefined {
  if (schedule === undefined || tokens === undefined || !('mean' in tokens)) return undefined;
  const stages =
    layers === undefined || imageTokens === 0
      ? undefined
      : stagesOfMean(schedule, layers, tokens.mean / imageTokens);
  if (stages !== undefined) return stages.ratios;
  throw new FastvError('invalid-option', `the schedule ${schedule} cannot come to ${tokens.mean} tokens`, {
    where: `--mean-tokens ${tokens.mean}`,
    hint: 'choose more tokens',
  });
}

/**
 * R of a prompt.
 * @param imageTokens of the prompt
 * @param layers of the decoder; undefined where they are not known
 * @throws FastvError `invalid-option` for a mean that K layers of all tokens exceed already
 */
export function ratioOf({ layer, ratio, tokens }: Pruning, imageTokens: number, layers?: number): number {
  if (tokens === undefined || 'mass' in tokens || 'sameAs' in tokens) return ratio;
  const keep = 'keep' in tokens ? tokens.keep : behind(layer, tokens.mean, imageTokens, layers);
  return imageTokens === 0 ? 0 : Math.max(0, 1 - keep / imageTokens);
}

/** Of K·T + (L − K)·t = L·mean the t. */
function behind(layer: number, mean: number, imageTokens: number, layers: number | undefined): number {
  const where = `--mean-tokens ${mean}`;
  if (layers === undefined || layers <= layer)
    throw new FastvError(
      'invalid-option',
      'a mean over layers needs a decoder with more than K layers, whose number is known',
      { where },
    );
  const keep = Math.round((layers * mean - layer * imageTokens) / (layers - layer));
  if (keep >= 0) return keep;
  const least = Math.ceil((layer * imageTokens) / layers);
  throw new FastvError(
    'invalid-option',
    `${layer} layers of ${imageTokens} image tokens are ${least} on average already`,
    {
      where,
      hint: 'choose a smaller K, or more tokens',
    },
  );
}

/** Images scaled down so that a share R of their pixels goes, instead of pruning. */
export function downsampledCondition(ratio: number): Condition {
  const percent = Number((100 * ratio).toFixed(4));
  return { name: `downsample-${percent}`, pruning: null, imageScale: Math.sqrt(1 - ratio) };
}
