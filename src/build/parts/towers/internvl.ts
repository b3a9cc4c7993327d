// InternVL's vision tower (arXiv 2312.14238) as transformers has it: patches, a class token in front, learned positions, and
// layers whose two branches are scaled by a learned number a channel. Defaults are InternVLVisionConfig's.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { layerNorm, linearOf, rmsNorm, towerAttention } from '../blocks.js';
import { activationOf } from '../decoders/llama.js';
import { layersRun, patches, stateOf, withClassToken, type TowerOutput } from './patches.js';

/** The hidden state that is wanted; the last one is normed where the file has a norm for it. */
export function internvl(g: PartGraph, pixels: string, vision: Config, w: Scope, place: number): TowerOutput {
  const { emit } = g;
  const hidden = vision.int('hidden_size', 1024);
  const heads = vision.int('num_attention_heads', 16);
  const layers = vision.int('num_hidden_layers', 24);
  const inner = vision.int('intermediate_size', 4096);
  const patch = vision.side('patch_size', 14);
  const side = Math.floor(vision.side('image_size', 448) / patch);
  const epsilon = vision.number('layer_norm_eps', 1e-6);
  const activation = activationOf(vision, 'hidden_act', 'gelu');
  const bias = vision.flag('attention_bias', false);
  const type = vision.text('norm_type', 'layer_norm');
  if (type !== 'layer_norm' && type !== 'rms_norm')
    throw vision.refuse('norm_type', 'layer_norm or rms_norm', 'unsupported-decoder');
  const norm = (x: string, scope: Scope, name: string): string =>
    type === 'rms_norm'
      ? rmsNorm(g, x, scope.get(`${name}.weight`, hidden), epsilon)
      : layerNorm(g, x, linearOf(scope, name, [hidden]), epsilon);

  const embeddings = w.under('embeddings.');
  embeddings.ignore('mask_token');
  const grid = patches(g, pixels, embeddings, 'patch_embeddings.projection', { hidden, patch, bias: true });
  let x = withClassToken(g, grid, embeddings.get('cls_token', 1, 1, hidden));
  if (vision.flag('use_absolute_position_embeddings', true)) {
    const places = embeddings.get('position_embeddings', 1, side * side + 1, hidden);
    x = emit.op('Add', [x, g.weight(places)]);
  }

  const run = layersRun([place], layers, vision);
  for (let i = 0; i < run; i++) {
    const layer = w.under(`encoder.layer.${i}.`);
    const scaled = (y: string, name: string): string =>
      emit.op('Mul', [y, g.weight(layer.get(name, hidden))]);
    const n = norm(x, layer, 'layernorm_before');
    const attention = layer.under('attention.');
    const project = (name: string): string => g.linear(n, linearOf(attention, name, [hidden, hidden], bias));
    const headed = (name: 'q' | 'k'): string => {
      const y = project(`${name}_proj`);
      // over the whole width, not a head
      if (!vision.flag('use_qk_norm', false)) return y;
      return rmsNorm(g, y, attention.get(`${name}_norm.weight`, hidden), epsilon);
    };
    const attended = towerAttention(g, [headed('q'), headed('k'), project('v_proj')], heads);
    const out = g.linear(attended, linearOf(attention, 'projection_layer', [hidden, hidden]));
    x = emit.op('Add', [x, scaled(out, 'lambda_1')]);
    const m = norm(x, layer, 'layernorm_after');
    const h = activation(g, g.linear(m, linearOf(layer, 'mlp.fc1', [inner, hidden])));
    const mlp = g.linear(h, linearOf(layer, 'mlp.fc2', [hidden, inner]));
    x = emit.op('Add', [x, scaled(mlp, 'lambda_2')]);
  }
  for (let i = run; i < layers; i++) w.ignore(`encoder.layer.${i}.`);
  w.ignore('layernorm.');
  const normed = place === -1 && !vision.flag('use_mean_pooling', true);
  const last = normed ? layerNorm(g, x, linearOf(w, 'layernorm', [hidden]), epsilon) : x;
  return { hidden, side, classToken: true, states: new Map([[stateOf(place, layers), last]]), layers };
}
