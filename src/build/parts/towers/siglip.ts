// SigLIP's vision tower (arXiv 2303.15343), and Idefics3's, which is one with positions of its own: no class token, learned
// positions, a norm after the last layer. Defaults are SiglipVisionConfig's; Idefics3VisionConfig has other sizes.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { layerNorm, linearOf } from '../blocks.js';
import { activationOf } from '../decoders/llama.js';
import { hiddenStates, patches, type TowerOutput } from './patches.js';

/** What differs between the classes. */
export interface SiglipDefaults {
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly image: number;
  readonly patch: number;
  /** The row of the position table for each place of a side; by default the place itself. */
  readonly positions?: (side: number) => readonly number[];
}

const SIGLIP: SiglipDefaults = { hidden: 768, intermediate: 3072, heads: 12, image: 224, patch: 16 };

/** Hidden states, and the last one normed under the place `layers + 1`. */
export function siglip(
  g: PartGraph,
  pixels: string,
  vision: Config,
  w: Scope,
  wanted: readonly number[],
  defaults: SiglipDefaults = SIGLIP,
): TowerOutput & { readonly normed: () => string } {
  const { emit } = g;
  const hidden = vision.int('hidden_size', defaults.hidden);
  const heads = vision.int('num_attention_heads', defaults.heads);
  const layers = vision.int('num_hidden_layers', 12);
  const intermediate = vision.int('intermediate_size', defaults.intermediate);
  const patch = vision.side('patch_size', defaults.patch);
  const side = Math.floor(vision.side('image_size', defaults.image) / patch);
  const epsilon = vision.number('layer_norm_eps', 1e-6);
  const activation = activationOf(vision, 'hidden_act', 'gelu_pytorch_tanh');
  w.ignore('embeddings.position_ids', 'head.');

  const grid = patches(g, pixels, w, 'embeddings.patch_embedding', { hidden, patch, bias: true });
  const table = w.get('embeddings.position_embedding.weight', side * side, hidden);
  const places = defaults.positions?.(side);
  const order = places?.flatMap((row) => places.map((column) => row * side + column));
  const positions = order === undefined ? table : table.reorder(order, 'places');
  const x = emit.op('Add', [grid, g.weight(positions)]);

  const shape = { hidden, heads, intermediate, epsilon, activation };
  const { states, last } = hiddenStates(g, x, w, vision, { wanted, layers, ...shape });
  w.ignore('post_layernorm.');
  const normed = (): string => layerNorm(g, last, linearOf(w, 'post_layernorm', [hidden]), epsilon);
  return { hidden, side, classToken: false, states, layers, normed };
}

/** The tower of Idefics3 and SmolVLM: defaults of Idefics3VisionConfig. */
export const IDEFICS3: SiglipDefaults = {
  hidden: 1152,
  intermediate: 3072,
  heads: 16,
  image: 224,
  patch: 32,
  positions: buckets,
};

/**
 * Idefics3 looks positions up by fractions of the side that are put into buckets, all in float32. For the sides of the
 * published models that gives 0, 1, 2, …; for some others a number comes twice, as it does here. PyTorch fills the
 * bounds of the buckets eight at a time from a rounded beginning, and those that remain one by one.
 */
export function buckets(side: number): readonly number[] {
  const step = 1 / side;
  const count = Math.ceil((1 - step) / step);
  const bounds = Array.from({ length: count }, (_, i) => {
    const first = i - (i % 8);
    if (first + 8 > count) return Math.fround(step + step * i);
    return Math.fround(Math.fround(step + step * first) + step * (i - first));
  });
  return Array.from({ length: side }, (_, i) => {
    const fraction = Math.min(Math.fround(i * Math.fround(step)), Math.fround(1 - 1e-6));
    return bounds.filter((bound) => bound <= fraction).length;
  });
}
