/**
 * The seed that a sample is drawn by. A random baseline that keeps the same places of every image is one mask, not
 * many: its score says how good that mask is, and its interval nothing of other masks.
 */
import { createHash } from 'node:crypto';

/**
 * A seed for one sample: the same whenever and wherever it is asked, another for every other sample.
 * @param seed of the condition
 * @param sample unique in the run; undefined: the condition's own seed
 */
export function sampleSeed(seed: number, sample: string | undefined): number {
  if (sample === undefined) return seed;
  return createHash('sha256').update(`${seed}\n${sample}`).digest().readUInt32LE();
}
