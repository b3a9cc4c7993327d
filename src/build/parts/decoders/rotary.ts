// Rotary positions (RoFormer, arXiv 2104.09864): pair i of a head is turned by position · θ^(−2i/d). Pairs are a head's
// first half with its second.
import { MICROSOFT } from '../../../onnx/emit.js';
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import { made } from '../../source.js';
import type { Rotate } from './decoder.js';

/** The most positions that a table holds. */
const MOST_POSITIONS = 2 ** 20;

/**
 * The frequencies of a configuration, one a pair, in float32 as transformers computes them.
 * @param rope `rope_scaling`, or `rope_parameters` of newer files
 * @throws {FastvError} `unsupported-decoder` for scalings that are not known
 */
export function frequencies(headSize: number, theta: number, rope: Config): Float32Array<ArrayBuffer> {
  const plain = inverseFrequencies(theta, headSize);
  const name = rope.has('rope_type') ? 'rope_type' : 'type';
  switch (rope.text(name, 'default')) {
    case 'default':
    case 'mrope':
    case 'dynamic': // changes nothing up to max_position_embeddings, where the tables end
      return plain;
    case 'linear': {
      const factor = rope.number('factor');
      return plain.map((frequency) => frequency / factor);
    }
    case 'llama3':
      return plain.map(llama3(rope));
    case 'yarn':
      return yarn(plain, headSize, theta, rope);
    default:
      throw rope.refuse(name, 'default, linear, dynamic, llama3, yarn or mrope', 'unsupported-decoder');
  }
}

/** YaRN (arXiv 2309.00071): pairs that turn seldom within the trained length are slowed down, and a ramp leads to the others. */
function yarn(
  plain: Float32Array<ArrayBuffer>,
  headSize: number,
  theta: number,
  rope: Config,
): Float32Array<ArrayBuffer> {
  const factor = rope.number('factor');
  const length = rope.number('original_max_position_embeddings');
  const turning = (turns: number): number =>
    (headSize * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const whole = rope.flag('truncate', true);
  const [first, last] = [turning(rope.number('beta_fast', 32)), turning(rope.number('beta_slow', 1))];
  const low = Math.max(0, whole ? Math.floor(first) : first);
  const high = Math.min(headSize - 1, whole ? Math.ceil(last) : last);
  return plain.map((frequency, pair) => {
    const slowed = Math.max(0, Math.min(1, (pair - low) / (high === low ? 0.001 : high - low)));
    return (slowed * frequency) / factor + (1 - slowed) * frequency;
  });
}

/** What YaRN multiplies cos and sin with; 1 for every other scaling. */
export function rotationLength(rope: Config): number {
  if (rope.text(rope.has('rope_type') ? 'rope_type' : 'type', 'default') !== 'yarn') return 1;
  const factor = rope.number('factor');
  const of = (mscale: number): number => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const [own, all] = [rope.number('mscale', 0), rope.number('mscale_all_dim', 0)];
  return rope.number('attention_factor', own !== 0 && all !== 0 ? of(own) / of(all) : of(1));
}

/** θ^(−2i/d) for each pair i, rounded to float32 where PyTorch rounds: at position 1000 the last bit is 10⁻⁴ of an angle. */
export function inverseFrequencies(theta: number, size: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: size / 2 },
    (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / size)),
  );
}

/** LLaMA 3.1: slow pairs are slowed down, quick ones are not, those between are blended. */
function llama3(rope: Config): (frequency: number) => number {
  const factor = rope.number('factor');
  const low = rope.number('low_freq_factor');
  const high = rope.number('high_freq_factor');
  const length = rope.number('original_max_position_embeddings');
  return (frequency) => {
    const turns = (length * frequency) / (2 * Math.PI);
    const share = Math.max(0, Math.min(1, (turns - low) / (high - low)));
    return share * frequency + ((1 - share) * frequency) / factor;
  };
}

/** The base and the scaling of a text configuration, in both spellings. */
export function ropeOf(text: Config, theta: number): { readonly theta: number; readonly rope: Config } {
  const rope = text.section(text.has('rope_parameters') ? 'rope_parameters' : 'rope_scaling');
  for (const config of [text, rope]) {
    if (config.number('partial_rotary_factor', 1) !== 1)
      throw config.refuse('partial_rotary_factor', '1', 'unsupported-decoder');
  }
  return { theta: rope.number('rope_theta', text.number('rope_theta', theta)), rope };
}

/** Rotation by tables of cos and sin, [positions, head size / 2], and position_ids [batch, sequence]. */
export function tableRotation(
  name: string,
  frequencies: Float32Array,
  positions: number,
): (g: PartGraph) => Rotate {
  const length = Math.min(positions, MOST_POSITIONS);
  const pairs = frequencies.length;
  const table = (kind: 'cos' | 'sin'): Float32Array<ArrayBuffer> => {
    const values = new Float32Array(length * pairs);
    for (let position = 0, at = 0; position < length; position++) {
      // the angle is rounded before its cosine is taken, as PyTorch does
      for (const frequency of frequencies) values[at++] = Math[kind](Math.fround(position * frequency));
    }
    return values;
  };
  return (g) => {
    const [cos, sin] = (['cos', 'sin'] as const).map((kind) =>
      g.weight(made(`${name}/${kind}`, [length, pairs], table(kind))),
    );
    return (_, x, heads) =>
      g.emit.op('RotaryEmbedding', [x, 'position_ids', cos ?? '', sin ?? ''], {
        domain: MICROSOFT,
        attributes: { num_heads: BigInt(heads) },
      });
  };
}

/** Rotation by angles that are computed for the tokens of a call, [batch · sequence, head size / 2]. */
export function rotationBy(g: PartGraph, angles: string): Rotate {
  const { emit } = g;
  const [cos, sin] = ['Cos', 'Sin'].map((f) => g.toFloat(emit.op(f, [angles])));
  const [batch, sequence] = [emit.dim('inputs_embeds', 0), emit.dim('inputs_embeds', 1)];
  const shape = emit.concat([emit.dim1('inputs_embeds', 0), emit.dim1('inputs_embeds', 1)], 0);
  const rows = emit.reshape(emit.range(emit.op('Mul', [batch, sequence])), shape);
  return (_, x, heads) =>
    emit.op('RotaryEmbedding', [x, rows, cos ?? '', sin ?? ''], {
      domain: MICROSOFT,
      attributes: { num_heads: BigInt(heads) },
    });
}

/** position_ids [batch, sequence] as a column of float32: [batch · sequence, 1]. */
export function positionColumn(g: PartGraph): string {
  const { emit } = g;
  return emit.unsqueeze(emit.castToFloat(emit.reshape('position_ids', emit.ints(-1))), 1);
}
