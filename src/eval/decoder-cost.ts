/**
 * Exact prefill FLOPs and KV bytes of an answer, by the shape of the decoder that runs: from its graph, and
 * where that cannot be read (hybrids, mixtures of experts) from the configuration, which says nothing of the
 * MLP's form or the cache's type: it is then taken to be gated, and float32.
 */
import {
  flops,
  kvCacheBytes,
  kvCacheLengths,
  macsOfLayers,
  shapeOfDecoder,
  visionMacs,
  visionShape,
  type DecoderShape,
} from '../cost/index.js';
import { FastvError } from '../errors.js';
import { readModelBytes } from '../files/model-file.js';
import { decodeModel } from '../onnx/index.js';
import { isHfTensor } from '../runtime/transformers.js';
import type { AnswerCost, TokenTarget } from './answerer.js';

/** What an answer's cost says of FLOPs and bytes. */
export type ExactCost = Pick<
  AnswerCost,
  'flops' | 'flopsUnpruned' | 'kvBytes' | 'kvBytesUnpruned' | 'shapeFrom'
>;

/** A decoder's shape, and where it was read. */
export interface KnownShape {
  readonly shape: DecoderShape;
  readonly from: 'graph' | 'configuration';
}

/**
 * The shape of a decoder.
 * @param path its file, if it is on disk
 * @returns undefined where neither graph nor configuration says it
 */
export async function knownShape(
  path: string | undefined,
  config: Readonly<Record<string, unknown>>,
): Promise<KnownShape | undefined> {
  if (path !== undefined) {
    try {
      return { shape: shapeOfDecoder(decodeModel(await readModelBytes(path))), from: 'graph' };
    } catch (error) {
      if (!(error instanceof FastvError) || error.code !== 'unsupported-decoder') throw error;
    }
  }
  const shape = shapeOfConfig(config);
  return shape === undefined ? undefined : { shape, from: 'configuration' };
}

/** What a pruned prefill did: K of each stage, and the tokens that each layer saw. */
export interface Pruned {
  readonly layers: readonly number[];
  readonly layerTokens: readonly number[];
}

/**
 * The cost of a prompt of `text` and `image` tokens; empty where the shape is not known.
 * @param pruned what the layers really saw, which the strategy decides and not the R that was asked for; null: all
 */
export function exactCost(
  known: KnownShape | undefined,
  text: number,
  image: number,
  pruned: Pruned | null,
): ExactCost {
  if (known === undefined) return {};
  const { shape, from } = known;
  const whole = kvCacheLengths(shape, { text, image });
  const saw = pruned?.layerTokens ?? whole;
  return {
    flops: flops(macsOfLayers(shape, saw, pruned === null ? [] : pruned.layers).total),
    flopsUnpruned: flops(macsOfLayers(shape, whole).total),
    kvBytes: kvCacheBytes(shape, saw).total,
    kvBytesUnpruned: kvCacheBytes(shape, whole).total,
    shapeFrom: from,
  };
}

/** FLOPs of the vision encoder on the images of a question's inputs; empty where its shape is not known. */
export function visionCost(
  config: Readonly<Record<string, unknown>>,
  inputs: Readonly<Record<string, unknown>>,
): Pick<AnswerCost, 'visionFlops'> {
  const shape = visionShape(config);
  if (shape === undefined) return {};
  const { pixel_values: pixels, image_grid_thw: grids } = inputs;
  let patches: number[] = [];
  if (isHfTensor(grids)) {
    const sizes = Array.from(grids.data, Number);
    // a frame is seen on its own
    for (let i = 0; i < sizes.length; i += 3)
      patches.push(...Array<number>(sizes[i] ?? 0).fill((sizes[i + 1] ?? 0) * (sizes[i + 2] ?? 0)));
  } else if (isHfTensor(pixels) && pixels.dims.length === 4) {
    const [images = 0, , height = 0, width = 0] = pixels.dims;
    const side = (shape.patchValues / 3) ** 0.5;
    patches = Array<number>(images).fill(Math.floor(height / side) * Math.floor(width / side));
  }
  return { visionFlops: flops(visionMacs(shape, patches)) };
}

/** A prompt's tokens, and FLOPs of the vision encoder where they are known. */
export interface PromptCost {
  readonly text: number;
  readonly image: number;
  readonly vision: number | undefined;
}

/**
 * The most image tokens that can be kept behind K without costing more than another prompt does unpruned.
 * @throws {FastvError} `invalid-option` where the costs are not known, or none is few enough
 */
export function keptAtCost(
  known: KnownShape | undefined,
  layer: number,
  { sameAs, flops: of }: Extract<TokenTarget, { readonly sameAs: number }>,
  own: PromptCost,
  other: PromptCost,
): number {
  const where = `the ${of === 'total' ? 'FLOPs' : "decoder's FLOPs"} of ${sameAs} px at K = ${layer}`;
  const refuse = (message: string, hint?: string): FastvError =>
    new FastvError('invalid-option', message, { where, ...(hint === undefined ? {} : { hint }) });
  if (known === undefined) throw refuse("the decoder's FLOPs are not known");
  if (of === 'total' && (own.vision === undefined || other.vision === undefined))
    throw refuse("the vision encoder's FLOPs are not known");
  const { shape } = known;
  const extra = of === 'total' ? (own.vision ?? 0) - (other.vision ?? 0) : 0;
  const most = flops(macsOfLayers(shape, kvCacheLengths(shape, other)).total) - extra;
  const costs = (keep: number): number => {
    const saw = Array.from({ length: shape.layers }, (_, i) => own.text + (i < layer ? own.image : keep));
    return flops(macsOfLayers(shape, saw, [layer]).total);
  };
  let [fits, not] = [-1, own.image + 1];
  while (not - fits > 1) {
    const middle = (fits + not) >> 1;
    if (costs(middle) <= most) fits = middle;
    else not = middle;
  }
  if (fits >= 0) return fits;
  throw refuse(
    'what comes before the cut costs more already, whatever is dropped',
    of === 'total' ? 'Leave total out of --same-flops, or choose sizes nearer to each other.' : undefined,
  );
}

/** A decoder's shape from its configuration, where it says all of it. */
function shapeOfConfig(config: Readonly<Record<string, unknown>>): DecoderShape | undefined {
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
