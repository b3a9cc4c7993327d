// Qwen2.5-VL's tower (arXiv 2502.13923): RMS norms, gated MLPs, and most layers see only a window of their frame.
// Transformers reorders patches so that windows lie together; here a mask says who sees whom, and no order changes.
// Defaults are Qwen2_5_VLVisionConfig's.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { linearOf, rmsNorm } from '../blocks.js';
import { activationOf } from '../decoders/llama.js';
import { sameNumber, windows } from './patch-grid.js';
import { mlpMerger } from './qwen2-vl.js';
import { blocks, qwenAttention, qwenPatches, qwenTower } from './qwen-vl.js';

const EPSILON = 1e-6;

/** Features [tokens, outputs]. */
export function qwen25VlTower(g: PartGraph, vision: Config, w: Scope, outputs: number): string {
  const { emit } = g;
  const tower = qwenTower(vision, { width: 'hidden_size', hidden: 3584, layers: 32 });
  const { hidden, layers, merge } = tower;
  const inner = vision.int('intermediate_size', 3420);
  const activation = activationOf(vision, 'hidden_act', 'silu');
  const patch = vision.int('patch_size', 14);
  const whole = vision.ints('fullatt_block_indexes', [7, 15, 23, 31]);
  const patches = { hidden, merge, patch, bias: false, gridName: 'image_grid_thw' };
  const { x: first, grid } = qwenPatches(g, vision, w, patches);
  const attention = qwenAttention(g, tower, grid);
  const frames = sameNumber(g, grid.frame);
  // a window is of whole blocks
  const side = Math.floor(vision.int('window_size', 112) / merge / patch) * merge;
  if (side === 0) throw vision.refuse('window_size', `at least ${merge * patch}`);
  const near = sameNumber(g, windows(g, grid, side));

  let x = first;
  for (let i = 0; i < layers; i++) {
    const layer = w.under(`blocks.${i}.`);
    const n = rmsNorm(g, x, layer.get('norm1.weight', hidden), EPSILON);
    x = emit.op('Add', [x, attention(n, layer, whole.includes(i) ? frames : near)]);
    const m = rmsNorm(g, x, layer.get('norm2.weight', hidden), EPSILON);
    const gate = activation(g, g.linear(m, linearOf(layer, 'mlp.gate_proj', [inner, hidden])));
    const h = emit.op('Mul', [gate, g.linear(m, linearOf(layer, 'mlp.up_proj', [inner, hidden]))]);
    x = emit.op('Add', [x, g.linear(h, linearOf(layer, 'mlp.down_proj', [hidden, inner]))]);
  }
  const normed = rmsNorm(g, x, w.get('merger.ln_q.weight', hidden), EPSILON);
  return mlpMerger(g, blocks(g, normed, tower), w, merge * merge * hidden, outputs);
}
