// Prefill, original against rewritten: what FastV realises of what theory promises.
import type { Device } from '../src/bench/devices.js';
import { measurePrefill, prefillTables } from '../src/bench/prefill.js';
import type { Tokens } from '../src/cost/paper.js';
import { cached, type Wanted } from './cache.js';
import { openPair } from './open.js';
import { printHeading } from './print.js';

export interface PrefillOptions extends Wanted {
  readonly layer: number;
  readonly ratios: readonly number[];
  readonly device: Device;
  readonly tokens: Tokens;
  readonly rounds: number;
  /** A strategy or a preset. */
  readonly method?: string;
  /** Whether only the last token goes on after the last attention. */
  readonly tail?: boolean;
  /** Rounds of the decoding step; 0 leaves it out. */
  readonly decodeRounds: number;
}

/** Prints the tables of one decoder. */
export async function benchPrefill(options: PrefillOptions): Promise<void> {
  const { layer, tokens, device } = options;
  const { file, original, rewritten, tail, release } = await openPair(cached(options), options, device);
  const notes = [
    ...(options.method === undefined ? [] : [options.method]),
    ...(tail === 'last' ? ['last-token tail'] : []),
    ...(device === 'cpu' ? [] : [device]),
  ];
  printHeading(options, tokens, `K=${layer}`, ...notes);
  const result = await measurePrefill(file, original, rewritten, { ...options, tail });
  console.log(`${prefillTables(result)}\n`);
  await release();
}
