// Qwen2-VL's tower (arXiv 2409.12191). Defaults are Qwen2VLVisionConfig's.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { erfGelu, layerNorm, linearOf } from '../blocks.js';
import { activationOf } from '../decoders/llama.js';
import { sameNumber } from './patch-grid.js';
import { blocks, qwenAttention, qwenPatches, qwenTower } from './qwen-vl.js';

const EPSILON = 1e-6;

/** Features [tokens, outputs]. */
export function qwen2VlTower(g: PartGraph, vision: Config, w: Scope, outputs: number): string {
  const { emit } = g;
  const tower = qwenTower(vision, { width: 'embed_dim', hidden: 1280, layers: 32 });
  const { hidden, layers, merge } = tower;
  const inner = Math.trunc(hidden * vision.number('mlp_ratio', 4));
  const activation = activationOf(vision, 'hidden_act', 'quick_gelu');
  const patches = { hidden, merge, patch: 14, bias: false, gridName: 'grid_thw' };
  const { x: first, grid } = qwenPatches(g, vision, w, patches);
  const attention = qwenAttention(g, tower, grid);
  const frames = sameNumber(g, grid.frame);

  let x = first;
  for (let i = 0; i < layers; i++) {
    const layer = w.under(`blocks.${i}.`);
    const n = layerNorm(g, x, linearOf(layer, 'norm1', [hidden]), EPSILON);
    x = emit.op('Add', [x, attention(n, layer, frames)]);
    const m = layerNorm(g, x, linearOf(layer, 'norm2', [hidden]), EPSILON);
    const h = activation(g, g.linear(m, linearOf(layer, 'mlp.fc1', [inner, hidden])));
    x = emit.op('Add', [x, g.linear(h, linearOf(layer, 'mlp.fc2', [hidden, inner]))]);
  }
  const normed = layerNorm(g, x, linearOf(w, 'merger.ln_q', [hidden]), EPSILON);
  return mlpMerger(g, blocks(g, normed, tower), w, merge * merge * hidden, outputs);
}

/** Two linear layers with an exact GELU between. */
export function mlpMerger(g: PartGraph, x: string, w: Scope, width: number, outputs: number): string {
  const h = g.linear(x, linearOf(w, 'merger.mlp.0', [width, width]));
  return g.linear(erfGelu(g, h), linearOf(w, 'merger.mlp.2', [outputs, width]));
}
