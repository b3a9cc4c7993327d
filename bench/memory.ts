// Peak memory of prefill: resident memory above what the loaded session takes, without ONNX Runtime's arena (which
// keeps what an earlier run needed). Each variant has a process of its own, since one that has run keeps memory that
// the next would then not need to ask for; and large blocks go back to the system at once (glibc keeps them otherwise).
import { join } from 'node:path';
import { mebibytes } from '../src/bench/table.js';
import { inOwnProcess } from './own-process.js';
import type { PeakMemory, Variant } from './peak-memory.js';
import type { PrefillOptions } from './prefill.js';
import { printHeading, printTable } from './print.js';

const ONE = join(import.meta.dirname, 'peak-memory.js');
const RETURN_BLOCKS = { MALLOC_MMAP_THRESHOLD_: '65536' };

/** Prints the peak of the original and of each R. */
export function benchMemory(options: PrefillOptions): void {
  printHeading(options, options.tokens, `K=${options.layer}`);
  const rows = [null, ...options.ratios].map((ratio) => {
    const variant: Variant = { ...options, ratio };
    const { peak, kv } = inOwnProcess(ONE, JSON.stringify(variant), RETURN_BLOCKS) as PeakMemory;
    return [ratio === null ? 'original' : `R=${ratio}`, mebibytes(peak), mebibytes(kv)];
  });
  printTable(['', 'peak MiB of a prefill', 'of it KV cache'], rows);
}
