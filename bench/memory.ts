// Peak memory of prefill: resident memory above what the loaded session takes, without ONNX Runtime's arena (which
// keeps what an earlier run needed). Each variant has a process of its own, since one that has run keeps memory that
// the next would then not need to ask for; and large blocks go back to the system at once (glibc keeps them otherwise).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { mebibytes } from '../src/bench/table.js';
import type { PeakMemory, Variant } from './peak-memory.js';
import type { PrefillOptions } from './prefill.js';
import { printHeading, printTable } from './print.js';

const ONE = join(import.meta.dirname, 'peak-memory.js');

/** Prints the peak of the original and of each R. */
export function benchMemory(options: PrefillOptions): void {
  printHeading(options, options.tokens, `K=${options.layer}`);
  const rows = [null, ...options.ratios].map((ratio) => {
    const { peak, kv } = measured({ ...options, ratio });
    return [ratio === null ? 'original' : `R=${ratio}`, mebibytes(peak), mebibytes(kv)];
  });
  printTable(['', 'peak MiB of a prefill', 'of it KV cache'], rows);
}

function measured(variant: Variant): PeakMemory {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--expose-gc', ONE, JSON.stringify(variant)],
    { encoding: 'utf8', env: { ...process.env, MALLOC_MMAP_THRESHOLD_: '65536' } },
  );
  if (status !== 0) throw new Error(`the measuring process ended with ${status ?? 'a signal'}: ${stderr}`);
  return JSON.parse(stdout) as PeakMemory;
}
