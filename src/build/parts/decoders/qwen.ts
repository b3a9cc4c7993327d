// The first Qwen (arXiv 2309.16609), which Qwen-VL-Chat has (arXiv 2308.12966): LLaMA with one weight for q, k and v, and
// two rules for prompts that are longer than those of its training. Defaults are QWenConfig's.
//
// 1. Dynamic NTK: the base of the rotation grows with the prompt's length, α = 2^⌈log2(S / trained) + 1⌉ − 1 (at least 1).
// 2. logn: the query at position p is multiplied by log(p + 1) / log(trained) where p + 1 is beyond the trained length.
//
// A graph has no memory, so S is the largest position of the call and one. Qwen's own code keeps the α of the prefill while
// it decodes; here α would change where the answer itself passes a power of two times the trained length.
import { DataType } from '../../../onnx/tensor.js';
import type { Config } from '../../checkpoint/config.js';
import type { Linear, PartGraph } from '../../part.js';
import { made } from '../../source.js';
import type { Scope } from '../../weights.js';
import { ACTIVATIONS, linearOf } from '../blocks.js';
import type { DecoderSpec, LayerWeights, Rotate } from './decoder.js';
import { inverseFrequencies, positionColumn, rotationBy } from './rotary.js';

/** Powers of two of the trained length that a prompt may pass. */
const DOUBLINGS = 16;

/**
 * @param model `h.0…`, `wte`, `ln_f`
 * @param head `lm_head`
 */
export function qwen(config: Config, model: Scope, head: Scope): DecoderSpec {
  const hidden = config.int('hidden_size', 4096);
  const heads = config.int('num_attention_heads', 32);
  const headSize = config.int('kv_channels', 128);
  const width = heads * headSize;
  const inner = Math.floor(config.int('intermediate_size', 22016) / 2);
  const vocabulary = config.int('vocab_size', 151936);
  const trained = config.int('seq_length', 2048, 2);
  const bias = !config.flag('no_bias', true);
  if (config.number('rotary_pct', 1) !== 1) throw config.refuse('rotary_pct', '1', 'unsupported-decoder');

  const layer = (index: number): LayerWeights => {
    const w = model.under(`h.${index}.`);
    const { weight, bias: added } = linearOf(w, 'attn.c_attn', [3 * width, hidden]);
    const third = (i: number, name: string): Linear => ({
      weight: weight.rows(i * width, (i + 1) * width, name),
      bias: added?.rows(i * width, (i + 1) * width, name),
    });
    return {
      inputNorm: w.get('ln_1.weight', hidden),
      q: third(0, 'q'),
      k: third(1, 'k'),
      v: third(2, 'v'),
      o: linearOf(w, 'attn.c_proj', [hidden, width], bias),
      mlpNorm: w.get('ln_2.weight', hidden),
      // the activation is on w2
      gate: linearOf(w, 'mlp.w2', [inner, hidden], bias),
      up: linearOf(w, 'mlp.w1', [inner, hidden], bias),
      down: linearOf(w, 'mlp.c_proj', [hidden, inner], bias),
    };
  };
  return {
    hidden,
    heads,
    kvHeads: heads,
    headSize,
    vocabulary,
    layers: config.int('num_hidden_layers', 32),
    epsilon: config.number('layer_norm_epsilon', 1e-6),
    scale: headSize ** -0.5,
    activation: (g, x) => ACTIVATIONS.get('silu')?.(g, x) ?? x,
    layer,
    norm: model.get('ln_f.weight', hidden),
    head: head.get('lm_head.weight', vocabulary, hidden),
    positionAxes: 2,
    rotation: dynamicRotation(headSize, config.number('rotary_emb_base', 10000), {
      trained,
      dynamic: config.flag('use_dynamic_ntk', true),
    }),
    ...(config.flag('use_logn_attn', true) ? { scaleQuery: logn(trained) } : {}),
  };
}

/** Rotation whose base is base · α^(d / (d − 2)). */
function dynamicRotation(
  headSize: number,
  base: number,
  { trained, dynamic }: { readonly trained: number; readonly dynamic: boolean },
): (g: PartGraph) => Rotate {
  const pairs = headSize / 2;
  // one row of frequencies for each α that there can be
  const rows = Array.from({ length: dynamic ? DOUBLINGS + 1 : 1 }, (_, k) => {
    const alpha = 2 ** (k + 1) - 1;
    return [...inverseFrequencies(base * alpha ** (headSize / (headSize - 2)), headSize)];
  });
  return (g) => {
    const { emit } = g;
    const op = (name: string, ...inputs: string[]): string => emit.op(name, inputs);
    const table = g.table(made('rotary/frequencies', [rows.length, pairs], Float32Array.from(rows.flat())));
    const length = op('Add', emit.reduce('ReduceMax', 'position_ids', [0, 1], false), emit.int(1));
    const bounds = emit.ints(...Array.from({ length: rows.length - 1 }, (_, j) => trained * 2 ** j));
    const passed = emit.cast(op('Greater', length, bounds), DataType.INT64);
    const speeds = dynamic ? emit.gather(table, emit.reduce('ReduceSum', passed, [0], true), 0) : table;
    return rotationBy(g, op('Mul', positionColumn(g), speeds));
  };
}

/** log(p + 1) / log(trained), at least 1: [batch, sequence, 1]. */
function logn(trained: number): (g: PartGraph) => (q: string) => string {
  return (g) => {
    const { emit } = g;
    const place = emit.op('Add', [emit.castToFloat('position_ids'), emit.float(1)]);
    const longer = emit.op('Div', [emit.op('Log', [place]), emit.float(Math.log(trained))]);
    const beyond = emit.op('Greater', [place, emit.float(trained)]);
    const factor = emit.unsqueeze(g.toFloat(emit.op('Where', [beyond, longer, emit.float(1)])), 2);
    return (q) => emit.op('Mul', [q, factor]);
  };
}
