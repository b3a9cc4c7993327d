// Multimodal rotary positions (Qwen2-VL, arXiv 2409.12191): three positions a token, and each pair of a head is turned by
// one of them. cos and sin are made for the tokens of a call, and RotaryEmbedding takes its rows by number.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import { made } from '../../source.js';
import type { Rotate } from './decoder.js';
import { rotationBy } from './rotary.js';

/**
 * Which of the axes time, height, width turns each pair.
 * @throws {FastvError} `malformed-model` if the sections are not as long as half a head
 */
export function mropeAxes(
  sections: readonly number[],
  pairs: number,
  interleaved: boolean,
  rope: Config,
): number[] {
  const sum = sections.reduce((total, size) => total + size, 0);
  if (sections.length !== 3 || sections.some((size) => size < 0) || sum !== pairs) {
    throw rope.refuse('mrope_section', `three numbers that add up to ${pairs}`);
  }
  if (!interleaved) {
    return sections.flatMap((size, axis) => Array<number>(size).fill(axis));
  }
  // Qwen3-VL: height and width take every third pair in turn until theirs are used up, the rest is time
  return Array.from({ length: pairs }, (_, pair) => {
    const axis = pair % 3;
    return axis > 0 && pair < 3 * (sections[axis] ?? 0) ? axis : 0;
  });
}

/** Rotation by position_ids [3, batch, sequence]. */
export function mropeRotation(
  frequencies: Float32Array<ArrayBuffer>,
  axes: readonly number[],
): (g: PartGraph) => Rotate {
  const pairs = frequencies.length;
  return (g) => {
    const { emit } = g;
    // each pair's position: [batch, sequence, pairs]
    const chosen = emit.transpose(emit.gather('position_ids', emit.ints(...axes), 0), 1, 2, 0);
    const speeds = g.table(made('rotary/frequencies', [1, 1, pairs], frequencies));
    const angles = emit.reshape(emit.op('Mul', [emit.castToFloat(chosen), speeds]), emit.ints(-1, pairs));
    return rotationBy(g, angles);
  };
}
