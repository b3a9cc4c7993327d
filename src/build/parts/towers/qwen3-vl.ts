// Qwen3-VL's tower (arXiv 2511.21631): learned positions besides the rotation, and DeepStack, which merges what some
// layers give and hands it to the decoder's first layers. Defaults are Qwen3VLVisionConfig's.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { erfGelu, layerNorm, linearOf } from '../blocks.js';
import { activationOf } from '../decoders/llama.js';
import { resampled, sameNumber } from './patch-grid.js';
import { blocks, qwenAttention, qwenPatches, qwenTower, type QwenTower } from './qwen-vl.js';

const EPSILON = 1e-6;

/** The layers whose output DeepStack takes. */
export function deepstackLayers(vision: Config): readonly number[] {
  return vision.ints('deepstack_visual_indexes', [8, 16, 24]);
}

/** Features [tokens, outputs] of the last layer, and behind them those of DeepStack. */
export function qwen3VlTower(g: PartGraph, vision: Config, w: Scope, outputs: number): string[] {
  const { emit } = g;
  const tower = qwenTower(vision, { width: 'hidden_size', hidden: 1152, layers: 27 });
  const { hidden, layers, merge } = tower;
  const inner = vision.int('intermediate_size', 4304);
  const activation = activationOf(vision, 'hidden_act', 'gelu_pytorch_tanh');
  const deepstack = deepstackLayers(vision);
  if (deepstack.some((layer) => layer < 0 || layer >= layers)) {
    throw vision.refuse('deepstack_visual_indexes', `layers below ${layers}`);
  }
  const patches = { hidden, merge, patch: 16, bias: true, gridName: 'image_grid_thw' };
  const { x: first, grid } = qwenPatches(g, vision, w, patches);
  const places = vision.int('num_position_embeddings', 2304);
  const side = Math.round(Math.sqrt(places));
  if (side * side !== places) throw vision.refuse('num_position_embeddings', 'a square');
  const positions = resampled(g, grid, g.weight(w.get('pos_embed.weight', places, hidden)), side);
  const attention = qwenAttention(g, tower, grid);
  const frames = sameNumber(g, grid.frame);

  let x = emit.op('Add', [first, positions]);
  const features = new Map<number, string>();
  for (let i = 0; i < layers; i++) {
    const layer = w.under(`blocks.${i}.`);
    const n = layerNorm(g, x, linearOf(layer, 'norm1', [hidden]), EPSILON);
    x = emit.op('Add', [x, attention(n, layer, frames)]);
    const m = layerNorm(g, x, linearOf(layer, 'norm2', [hidden]), EPSILON);
    const h = activation(g, g.linear(m, linearOf(layer, 'mlp.linear_fc1', [inner, hidden])));
    x = emit.op('Add', [x, g.linear(h, linearOf(layer, 'mlp.linear_fc2', [hidden, inner]))]);
    const place = deepstack.indexOf(i);
    if (place < 0) continue;
    const joined = blocks(g, x, tower);
    const merger = w.under(`deepstack_merger_list.${place}.`);
    const width = merge * merge * hidden;
    features.set(
      place,
      mergerMlp(g, layerNorm(g, joined, linearOf(merger, 'norm', [width]), EPSILON), merger, tower, outputs),
    );
  }
  const merger = w.under('merger.');
  const normed = layerNorm(g, x, linearOf(merger, 'norm', [hidden]), EPSILON);
  const last = mergerMlp(g, blocks(g, normed, tower), merger, tower, outputs);
  return [last, ...deepstack.map((_, place) => features.get(place) ?? '')];
}

function mergerMlp(g: PartGraph, x: string, w: Scope, { hidden, merge }: QwenTower, outputs: number): string {
  const width = merge * merge * hidden;
  const h = erfGelu(g, g.linear(x, linearOf(w, 'linear_fc1', [width, width])));
  return g.linear(h, linearOf(w, 'linear_fc2', [outputs, width]));
}
