// Gemma 3 (arXiv 2503.19786): four norms a layer, norms of the heads of q and k, weights of norms as 1 + w, and most
// layers local, with a rotation of their own. Defaults are Gemma3TextConfig's.
import type { Config } from '../../checkpoint/config.js';
import { made, type Source } from '../../source.js';
import type { Scope } from '../../weights.js';
import { linearOf } from '../blocks.js';
import type { DecoderSpec, LayerWeights } from './decoder.js';
import { activationOf, headOf, type DecoderWeights } from './llama.js';
import { frequencies, positionColumn, rotationBy } from './rotary.js';

export function gemma3(text: Config, weights: DecoderWeights): DecoderSpec {
  const hidden = text.int('hidden_size', 2304);
  const heads = text.int('num_attention_heads', 8);
  const kvHeads = text.int('num_key_value_heads', 4);
  const headSize = text.int('head_dim', 256);
  const inner = text.int('intermediate_size', 9216);
  const vocabulary = text.int('vocab_size', 262208);
  const layers = text.int('num_hidden_layers', 26);
  const bias = text.flag('attention_bias', false);
  if (heads % kvHeads !== 0) throw text.refuse('num_key_value_heads', `a divisor of ${heads}`);
  for (const name of ['attn_logit_softcapping', 'final_logit_softcapping']) {
    if (text.has(name)) throw text.refuse(name, 'null', 'unsupported-decoder');
  }
  const local = localLayers(text, layers);
  const window = text.int('sliding_window', 4096);

  const layer = (index: number): LayerWeights => {
    const w = weights.model.under(`layers.${index}.`);
    const attention = (name: string, outputs: number, inputs: number) =>
      linearOf(w, `self_attn.${name}`, [outputs, inputs], bias);
    return {
      inputNorm: norm(w, 'input_layernorm', hidden),
      q: attention('q_proj', heads * headSize, hidden),
      k: attention('k_proj', kvHeads * headSize, hidden),
      v: attention('v_proj', kvHeads * headSize, hidden),
      o: attention('o_proj', hidden, heads * headSize),
      qNorm: norm(w, 'self_attn.q_norm', headSize),
      kNorm: norm(w, 'self_attn.k_norm', headSize),
      postAttentionNorm: norm(w, 'post_attention_layernorm', hidden),
      mlpNorm: norm(w, 'pre_feedforward_layernorm', hidden),
      gate: linearOf(w, 'mlp.gate_proj', [inner, hidden], false),
      up: linearOf(w, 'mlp.up_proj', [inner, hidden], false),
      down: linearOf(w, 'mlp.down_proj', [hidden, inner], false),
      postMlpNorm: norm(w, 'post_feedforward_layernorm', hidden),
    };
  };
  const [near, far] = rotations(text, headSize);
  return {
    hidden,
    heads,
    kvHeads,
    headSize,
    vocabulary,
    layers,
    epsilon: text.number('rms_norm_eps', 1e-6),
    scale: text.number('query_pre_attn_scalar', 256) ** -0.5,
    activation: activationOf(text, 'hidden_activation', 'gelu_pytorch_tanh'),
    layer,
    norm: norm(weights.model, 'norm', hidden),
    head: headOf(weights, vocabulary, hidden),
    positionAxes: 2,
    imagesSeeThemselves: true,
    window: (index) => (local(index) ? window : undefined),
    rotation: (g) => {
      const [first, second] = [near, far].map((speeds, i) => {
        const table = g.table(made(`rotary/${i === 0 ? 'local' : 'global'}`, [1, speeds.length], speeds));
        return rotationBy(g, g.emit.op('Mul', [positionColumn(g), table]));
      });
      return (_, x, count, index) => (local(index) ? first : second)?.(g, x, count, index) ?? x;
    },
  };
}

/** A norm's weight, which the file has less 1. */
export function norm(w: Scope, name: string, size: number): Source {
  return w
    .get(`${name}.weight`, size)
    .map('plus_one', [size], (values) => Float32Array.from(values, (v) => v + 1));
}

/** Which layers are local: all but every sixth, or as a list says. */
function localLayers(text: Config, layers: number): (index: number) => boolean {
  const types = text.fields['layer_types'];
  if (Array.isArray(types) && types.length === layers) return (index) => types[index] === 'sliding_attention';
  const pattern = text.int('sliding_window_pattern', text.int('_sliding_window_pattern', 6));
  return (index) => (index + 1) % pattern !== 0;
}

/** Frequencies of local and of global layers, in the older spelling and the newer. */
function rotations(
  text: Config,
  headSize: number,
): readonly [near: Float32Array<ArrayBuffer>, far: Float32Array<ArrayBuffer>] {
  const own = text.section('rope_parameters');
  const [near, far] = ['sliding_attention', 'full_attention'].map((kind) => own.section(kind));
  if (near !== undefined && far !== undefined && own.has('full_attention')) {
    return [
      frequencies(headSize, near.number('rope_theta', 10000), near),
      frequencies(headSize, far.number('rope_theta', 1e6), far),
    ];
  }
  return [
    frequencies(headSize, text.number('rope_local_base_freq', 10000), text.section('none')),
    frequencies(headSize, text.number('rope_theta', 1e6), text.section('rope_scaling')),
  ];
}
