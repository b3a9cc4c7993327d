// LLaMA (arXiv 2302.13971) and those built like it: Vicuna, Mistral, SmolLM. Defaults are LlamaConfig's and
// MistralConfig's of transformers.
import type { Config } from '../../checkpoint/config.js';
import type { Scope } from '../../weights.js';
import { ACTIVATIONS, linearOf, type Activation } from '../blocks.js';
import type { DecoderSpec, LayerWeights } from './decoder.js';
import { frequencies, ropeOf, rotationLength, tableRotation } from './rotary.js';

/** Where a decoder's weights are. */
export interface DecoderWeights {
  /** `layers.0…`, `norm`, `embed_tokens`. */
  readonly model: Scope;
  /** `lm_head`. */
  readonly head: Scope;
  /** Whether the embedding is the head, too. */
  readonly tied: boolean;
}

/** What the classes of the LLaMA family set where config.json does not. */
export interface LlamaDefaults {
  /** Whether q, k and v have biases, and o. */
  readonly bias: { readonly qkv: boolean; readonly o: boolean };
  readonly hidden?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly layers?: number;
  readonly intermediate?: number;
  readonly headSize?: number;
  readonly vocabulary?: number;
  readonly positions?: number;
  readonly theta?: number;
  readonly epsilon?: number;
  /** Whether heads of q and k are normalised. */
  readonly headNorms?: boolean;
}

const LLAMA = {
  hidden: 4096,
  heads: 32,
  layers: 32,
  intermediate: 11008,
  vocabulary: 32000,
  positions: 2048,
};
const MISTRAL = { kvHeads: 8, intermediate: 14336, positions: 131072 };

/** LLaMA or Mistral, as `model_type` says. */
export function llama(text: Config, weights: DecoderWeights): DecoderSpec {
  const bias = text.flag('attention_bias', false);
  const mistral = text.text('model_type', 'llama') === 'mistral';
  return llamaLike(text, weights, { ...(mistral ? MISTRAL : {}), bias: { qkv: bias, o: bias } });
}

/** A decoder with LLaMA's layers and the defaults of some class. */
export function llamaLike(text: Config, weights: DecoderWeights, given: LlamaDefaults): DecoderSpec {
  const defaults = { ...LLAMA, epsilon: 1e-6, theta: 10000, ...given };
  const hidden = text.int('hidden_size', defaults.hidden);
  const heads = text.int('num_attention_heads', defaults.heads);
  const kvHeads = text.int('num_key_value_heads', defaults.kvHeads ?? heads);
  const headSize = text.int('head_dim', defaults.headSize ?? Math.floor(hidden / heads));
  const intermediate = text.int('intermediate_size', defaults.intermediate);
  const vocabulary = text.int('vocab_size', defaults.vocabulary);
  const positions = text.int('max_position_embeddings', defaults.positions);
  if (heads % kvHeads !== 0) throw text.refuse('num_key_value_heads', `a divisor of ${heads}`);
  if (headSize % 2 !== 0) throw text.refuse('head_dim', 'an even number');
  const { theta, rope } = ropeOf(text, defaults.theta);
  const mlpBias = text.flag('mlp_bias', false);
  const { model } = weights;

  const layer = (index: number): LayerWeights => {
    const w = model.under(`layers.${index}.`);
    const linear = (name: string, outputs: number, inputs: number, bias: boolean) =>
      linearOf(w, name, [outputs, inputs], bias);
    const { qkv, o } = defaults.bias;
    return {
      inputNorm: w.get('input_layernorm.weight', hidden),
      q: linear('self_attn.q_proj', heads * headSize, hidden, qkv),
      k: linear('self_attn.k_proj', kvHeads * headSize, hidden, qkv),
      v: linear('self_attn.v_proj', kvHeads * headSize, hidden, qkv),
      o: linear('self_attn.o_proj', hidden, heads * headSize, o),
      ...(defaults.headNorms === true
        ? {
            qNorm: w.get('self_attn.q_norm.weight', headSize),
            kNorm: w.get('self_attn.k_norm.weight', headSize),
          }
        : {}),
      mlpNorm: w.get('post_attention_layernorm.weight', hidden),
      gate: linear('mlp.gate_proj', intermediate, hidden, mlpBias),
      up: linear('mlp.up_proj', intermediate, hidden, mlpBias),
      down: linear('mlp.down_proj', hidden, intermediate, mlpBias),
    };
  };
  return {
    hidden,
    heads,
    kvHeads,
    headSize,
    vocabulary,
    layers: text.int('num_hidden_layers', defaults.layers),
    epsilon: text.number('rms_norm_eps', defaults.epsilon),
    // of q and of k
    scale: headSize ** -0.5 * rotationLength(rope) ** 2,
    activation: activationOf(text, 'hidden_act', 'silu'),
    layer,
    norm: model.get('norm.weight', hidden),
    head: headOf(weights, vocabulary, hidden),
    positionAxes: 2,
    ...windowOf(text, positions),
    rotation: tableRotation('rotary', frequencies(headSize, theta, rope), positions),
  };
}

/** The activation that a field names. @throws {FastvError} `unsupported-decoder` for one that is not known */
export function activationOf(config: Config, name: string, otherwise: string): Activation {
  const activation = ACTIVATIONS.get(config.text(name, otherwise));
  if (activation === undefined)
    throw config.refuse(name, [...ACTIVATIONS.keys()].join(', '), 'unsupported-decoder');
  return activation;
}

/** The matrix of logits: the head's own, or the embedding. A tied checkpoint may carry a head, which is not used. */
export function headOf({ model, head, tied }: DecoderWeights, vocabulary: number, hidden: number) {
  if (!tied) return head.get('lm_head.weight', vocabulary, hidden);
  head.ignore('lm_head.weight');
  return model.get('embed_tokens.weight', vocabulary, hidden);
}

/**
 * How many tokens a layer sees. Mistral's class has a window unless the file says null; Qwen's has one for its upper
 * layers, or those of a list, if it is switched on.
 */
function windowOf(text: Config, positions: number): Pick<DecoderSpec, 'window'> {
  const mistral = text.text('model_type', '') === 'mistral';
  const silent = !Object.hasOwn(text.fields, 'sliding_window');
  if (!text.flag('use_sliding_window', mistral) || !(text.has('sliding_window') || silent)) return {};
  const size = text.int('sliding_window', 4096);
  const first = mistral ? 0 : text.int('max_window_layers', 28, 0);
  const types = mistral ? undefined : text.fields['layer_types'];
  const near = (layer: number): boolean =>
    Array.isArray(types) ? types[layer] === 'sliding_attention' : layer >= first;
  return size >= positions ? {} : { window: (layer) => (near(layer) ? size : undefined) };
}
