// Qwen-VL's tower and resampler (arXiv 2308.12966): a ViT for pictures of 448 pixels, of which 256 learned queries take what
// the decoder gets.
import { MICROSOFT } from '../../../onnx/emit.js';
import type { Config } from '../../checkpoint/config.js';
import type { Linear, PartGraph } from '../../part.js';
import type { Source } from '../../source.js';
import type { Scope } from '../../weights.js';
import { erfGelu, layerNorm, linearOf, towerAttention } from '../blocks.js';
import { patches } from './patches.js';

const EPSILON = 1e-6;
/** Entries of the position tables, and queries: fixed in Qwen's code. */
const PLACES = 256;

/** Features [pictures, 256, outputs] of pixels [pictures, 3, side, side]. */
export function qwenVlChatTower(g: PartGraph, pixels: string, visual: Config, w: Scope): string {
  const { emit } = g;
  const width = visual.int('width', 1664);
  const heads = visual.int('heads', 16);
  const layers = visual.int('layers', 48);
  const patch = visual.int('patch_size', 14);
  const outputs = visual.int('output_dim', 4096);
  const inner = Math.trunc(width * visual.number('mlp_ratio', 4.9231));
  const side = Math.floor(visual.int('image_size', 448) / patch);
  if (width % heads !== 0) throw visual.refuse('heads', `a divisor of ${width}`);

  const grid = patches(g, pixels, w, 'conv1', { hidden: width, patch, bias: false });
  const places = resized(w.get('positional_embedding', PLACES, width), side);
  let x = emit.op('Add', [grid, g.weight(places)]);
  x = layerNorm(g, x, linearOf(w, 'ln_pre', [width]), EPSILON);
  for (let i = 0; i < layers; i++) {
    const layer = w.under(`transformer.resblocks.${i}.`);
    const n = layerNorm(g, x, linearOf(layer, 'ln_1', [width]), EPSILON);
    const qkv = perHead(linearOf(layer, 'attn.in_proj', [3 * width, width]), heads, width / heads);
    const [q = '', k = '', v = ''] = qkv.map((one) => g.linear(n, one));
    const attended = g.linear(
      towerAttention(g, [q, k, v], heads),
      linearOf(layer, 'attn.out_proj', [width, width]),
    );
    x = emit.op('Add', [x, attended]);
    const m = layerNorm(g, x, linearOf(layer, 'ln_2', [width]), EPSILON);
    const h = erfGelu(g, g.linear(m, linearOf(layer, 'mlp.c_fc', [inner, width])));
    x = emit.op('Add', [x, g.linear(h, linearOf(layer, 'mlp.c_proj', [width, inner]))]);
  }
  const taken = resampler(g, x, w.under('attn_pool.'), { width, outputs, side });
  const normed = layerNorm(g, taken, linearOf(w, 'ln_post', [outputs]), EPSILON);
  // x @ proj, so that its rows are inputs
  return g.linear(normed, { weight: w.get('proj', outputs, outputs).transposed() });
}

/** One layer of attention from learned queries to what the tower gives. */
function resampler(
  g: PartGraph,
  x: string,
  w: Scope,
  { width, outputs, side }: { readonly width: number; readonly outputs: number; readonly side: number },
): string {
  const { emit } = g;
  // where widths are equal Qwen has no projection
  const projected = w.has('kv_proj.weight')
    ? g.linear(x, linearOf(w, 'kv_proj', [outputs, width], false))
    : x;
  const values = layerNorm(g, projected, linearOf(w, 'ln_kv', [outputs]), EPSILON);
  const queries = layerNorm(
    g,
    g.weight(w.get('query', PLACES, outputs)),
    linearOf(w, 'ln_q', [outputs]),
    EPSILON,
  );
  const table = w.get('pos_embed', PLACES, outputs);
  const placed = emit.op('Add', [queries, g.weight(table)]);
  const keys = emit.op('Add', [values, g.weight(resized(table, side))]);
  const weight = w.get('attn.in_proj_weight', 3 * outputs, outputs);
  const bias = w.get('attn.in_proj_bias', 3 * outputs);
  const third = (i: number, name: string): Linear => ({
    weight: weight.rows(i * outputs, (i + 1) * outputs, name),
    bias: bias.rows(i * outputs, (i + 1) * outputs, name),
  });
  const batch = emit.concat([emit.dim1(x, 0), emit.ints(PLACES, outputs)], 0);
  const q = emit.op('Expand', [emit.unsqueeze(g.linear(placed, third(0, 'q')), 0), batch]);
  const attended = emit.op(
    'MultiHeadAttention',
    [q, g.linear(keys, third(1, 'k')), g.linear(values, third(2, 'v'))],
    {
      domain: MICROSOFT,
      attributes: { num_heads: BigInt(Math.floor(outputs / 128)) },
    },
  );
  return g.linear(attended, linearOf(w, 'attn.out_proj', [outputs, outputs]));
}

/** q, k and v of a weight whose rows come head by head: q, k, v of head 0, then of head 1, … */
function perHead({ weight, bias }: Linear, heads: number, headSize: number): Linear[] {
  return ['q', 'k', 'v'].map((name, which) => {
    const order = Array.from({ length: heads * headSize }, (_, row) => {
      const head = Math.floor(row / headSize);
      return (3 * head + which) * headSize + (row % headSize);
    });
    return { weight: weight.reorder(order, name), bias: bias?.reorder(order, name) };
  });
}

/** A square table of positions for another side, bicubically as PyTorch does it (a = −0.75, no corners aligned). */
function resized(table: Source, side: number): Source {
  const [places = 0, width = 0] = table.dims;
  const from = Math.round(Math.sqrt(places));
  if (from === side) return table;
  const taps = Array.from({ length: side }, (_, i) => tapsOf(((i + 0.5) * from) / side - 0.5, from));
  return table.map(`${side}x${side}`, [side * side, width], (values) => {
    const out = new Float32Array(side * side * width);
    taps.forEach((rows, y) => {
      taps.forEach((columns, x) => {
        const at = (y * side + x) * width;
        for (const [row, down] of rows) {
          for (const [column, across] of columns) {
            const share = down * across;
            const entry = (row * from + column) * width;
            for (let i = 0; i < width; i++)
              out[at + i] = (out[at + i] ?? 0) + share * (values[entry + i] ?? 0);
          }
        }
      });
    });
    return out;
  });
}

/** The four places that a cubic kernel takes, and their shares. */
function tapsOf(at: number, length: number): (readonly [place: number, share: number])[] {
  const first = Math.floor(at);
  const t = at - first;
  const a = -0.75;
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  const shares = [far(t + 1), near(t), near(1 - t), far(2 - t)];
  return shares.map((share, i) => [Math.max(0, Math.min(length - 1, first - 1 + i)), share]);
}
