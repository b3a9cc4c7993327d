// CLIP's vision tower (arXiv 2103.00020) as transformers has it: patches, a class token in front, learned positions, a
// norm before the layers. Defaults are CLIPVisionConfig's. Positions may be interpolated, for pictures of other sizes, as its
// `interpolate_pos_encoding` does.
import { DataType } from '../../../onnx/tensor.js';
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { layerNorm, linearOf } from '../blocks.js';
import { activationOf } from '../decoders/llama.js';
import { hiddenStates, patches, withClassToken, type TowerOutput } from './patches.js';

/** The tower's hidden states that a connector takes. */
export function clip(
  g: PartGraph,
  pixels: string,
  vision: Config,
  w: Scope,
  wanted: readonly number[],
): TowerOutput {
  const { emit } = g;
  const hidden = vision.int('hidden_size', 768);
  const heads = vision.int('num_attention_heads', 12);
  const layers = vision.int('num_hidden_layers', 12);
  const intermediate = vision.int('intermediate_size', 3072);
  const patch = vision.side('patch_size', 32);
  const side = Math.floor(vision.side('image_size', 224) / patch);
  const epsilon = vision.number('layer_norm_eps', 1e-5);
  const activation = activationOf(vision, 'hidden_act', 'quick_gelu');
  w.ignore('embeddings.position_ids');

  const grid = patches(g, pixels, w, 'embeddings.patch_embedding', { hidden, patch, bias: false });
  const withClass = withClassToken(g, grid, w.get('embeddings.class_embedding', hidden));
  const table = w.get('embeddings.position_embedding.weight', side * side + 1, hidden);
  const positions = g.interpolatePositions
    ? interpolated(g, pixels, g.table(table), { side, hidden, patch })
    : g.weight(table);
  const placed = emit.op('Add', [withClass, positions]);
  const x = layerNorm(g, placed, linearOf(w, 'pre_layrnorm', [hidden]), epsilon);

  const shape = { hidden, heads, intermediate, epsilon, activation };
  const { states } = hiddenStates(g, x, w, vision, { wanted, layers, ...shape });
  w.ignore('post_layernorm.', 'head.');
  return { hidden, side, classToken: true, states, layers };
}

/** Positions [1 + side², hidden] for the patches of other pictures: bicubic, as PyTorch does it (a = −0.75, no corners aligned). */
function interpolated(
  g: PartGraph,
  pixels: string,
  table: string,
  { side, hidden, patch }: { readonly side: number; readonly hidden: number; readonly patch: number },
): string {
  const { emit } = g;
  const rest = emit.slice(table, emit.ints(1), emit.ints(1 + side * side), 0);
  const grid = emit.transpose(emit.reshape(rest, emit.ints(1, side, side, hidden)), 0, 3, 1, 2);
  const count = (axis: number): string => emit.op('Div', [emit.dim1(pixels, axis), emit.ints(patch)]);
  const sizes = emit.concat([emit.ints(1, hidden), count(2), count(3)], 0);
  const resized = emit.op('Resize', [grid, '', '', sizes], {
    attributes: {
      mode: 'cubic',
      cubic_coeff_a: -0.75,
      coordinate_transformation_mode: 'pytorch_half_pixel',
    },
  });
  const flat = emit.transpose(emit.reshape(resized, emit.ints(hidden, -1)), 1, 0);
  return g.toFloat(emit.concat([emit.slice(table, emit.ints(0), emit.ints(1), 0), flat], 0));
}

/** The pixels of images of a fixed size, or of any where positions are interpolated: float32 [images, 3, height, width]. */
export function pixelInput(g: PartGraph, vision: Config, size: number): string {
  const side = vision.side('image_size', size);
  const channels = vision.int('num_channels', 3);
  const sides = g.interpolatePositions ? ['height', 'width'] : [side, side];
  return g.toFloat(g.input('pixel_values', DataType.FLOAT, ['num_images', channels, ...sides]));
}
