// Pixtral's vision tower (arXiv 2410.07073) as transformers has it: pictures of any size, patches rotated by row and
// column, gated MLPs, no class token. Defaults are PixtralVisionConfig's.
//
// Pictures of one call have one size, and each is attended to by itself.
import { MICROSOFT } from '../../../onnx/emit.js';
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import { made } from '../../source.js';
import type { Scope } from '../../weights.js';
import { linearOf, rmsNorm, towerAttention } from '../blocks.js';
import { activationOf } from '../decoders/llama.js';
import { inverseFrequencies } from '../decoders/rotary.js';
import { layersRun } from './patches.js';

const EPSILON = 1e-5;

/** What the tower gives: [pictures, rows · columns, hidden], and how many rows and columns there are, int64 [1]. */
export interface PixtralOutput {
  readonly hidden: number;
  readonly tokens: string;
  readonly rows: string;
  readonly columns: string;
}

/**
 * The hidden state that is wanted.
 * @param pixels [pictures, 3, height, width], both multiples of a patch
 * @param place counted from what goes into the first layer, or negative from the last
 */
export function pixtral(
  g: PartGraph,
  pixels: string,
  vision: Config,
  w: Scope,
  place: number,
): PixtralOutput {
  const { emit } = g;
  const hidden = vision.int('hidden_size', 1024);
  const heads = vision.int('num_attention_heads', 16);
  const headSize = vision.int('head_dim', Math.floor(hidden / heads));
  const layers = vision.int('num_hidden_layers', 24);
  const inner = vision.int('intermediate_size', 4096);
  const patch = vision.side('patch_size', 16);
  const activation = activationOf(vision, 'hidden_act', 'gelu');
  if (headSize * heads !== hidden) throw vision.refuse('head_dim', `${hidden} / ${heads}`);
  if (headSize % 4 !== 0) throw vision.refuse('head_dim', 'a multiple of 4');

  const { weight } = linearOf(w, 'patch_conv', [hidden, 3, patch, patch], false);
  const side = [BigInt(patch), BigInt(patch)];
  const maps = emit.op('Conv', [pixels, g.weight(weight)], {
    attributes: { kernel_shape: side, strides: side },
  });
  const [rows, columns] = [emit.dim1(maps, 2), emit.dim1(maps, 3)];
  const grid = emit.transpose(emit.reshape(maps, emit.ints(0, 0, -1)), 0, 2, 1);
  let x = rmsNorm(g, grid, w.get('ln_pre.weight', hidden), EPSILON);

  const speeds = inverseFrequencies(
    vision.section('rope_parameters').number('rope_theta', vision.number('rope_theta', 10000)),
    headSize,
  );
  const rotate = planeRotation(g, { speeds, rows, columns, pixels, heads });
  const run = layersRun([place], layers, vision);
  for (let i = 0; i < run; i++) {
    const layer = w.under(`transformer.layers.${i}.`);
    const linear = (y: string, name: string, outputs: number, inputs: number): string =>
      g.linear(y, linearOf(layer, name, [outputs, inputs], false));
    const n = rmsNorm(g, x, layer.get('attention_norm.weight', hidden), EPSILON);
    const project = (name: string): string => linear(n, `attention.${name}_proj`, hidden, hidden);
    const qkv = [rotate(project('q')), rotate(project('k')), project('v')] as const;
    const attended = towerAttention(g, qkv, heads);
    x = emit.op('Add', [x, linear(attended, 'attention.o_proj', hidden, hidden)]);
    const m = rmsNorm(g, x, layer.get('ffn_norm.weight', hidden), EPSILON);
    const gate = activation(g, linear(m, 'feed_forward.gate_proj', inner, hidden));
    const h = emit.op('Mul', [gate, linear(m, 'feed_forward.up_proj', inner, hidden)]);
    x = emit.op('Add', [x, linear(h, 'feed_forward.down_proj', hidden, inner)]);
  }
  for (let i = run; i < layers; i++) w.ignore(`transformer.layers.${i}.`);
  return { hidden, tokens: x, rows, columns };
}

/** Rotation in which a head's even frequencies turn by the row, and the odd ones by the column. */
function planeRotation(
  g: PartGraph,
  {
    speeds,
    rows,
    columns,
    pixels,
    heads,
  }: {
    readonly speeds: Float32Array<ArrayBuffer>;
    readonly rows: string;
    readonly columns: string;
    readonly pixels: string;
    readonly heads: number;
  },
): (x: string) => string {
  const { emit } = g;
  const quarter = speeds.length / 2;
  const across = emit.reshape(columns, emit.ints());
  const place = emit.range(emit.op('Mul', [emit.reshape(rows, emit.ints()), across]));
  const angle = (name: string, at: string, odd: number): string => {
    const own = made(
      `rotary/${name}`,
      [1, quarter],
      speeds.filter((_, i) => i % 2 === odd),
    );
    return emit.op('Mul', [emit.unsqueeze(emit.castToFloat(at), 1), g.table(own)]);
  };
  const angles = emit.concat(
    [angle('rows', emit.op('Div', [place, across]), 0), angle('columns', emit.op('Mod', [place, across]), 1)],
    1,
  );
  const [cos, sin] = ['Cos', 'Sin'].map((f) => g.toFloat(emit.op(f, [angles])));
  const ids = emit.op('Expand', [
    emit.unsqueeze(place, 0),
    emit.concat([emit.dim1(pixels, 0), emit.op('Mul', [rows, columns])], 0),
  ]);
  return (x) =>
    emit.op('RotaryEmbedding', [x, ids, cos ?? '', sin ?? ''], {
      domain: MICROSOFT,
      attributes: { num_heads: BigInt(heads) },
    });
}
