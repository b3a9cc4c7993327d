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
  type DecoderShape,
} from '../cost/index.js';
import { FastvError } from '../errors.js';
import { readModelBytes } from '../files/model-file.js';
import { decodeModel } from '../onnx/index.js';
import type { AnswerCost } from './answerer.js';

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
