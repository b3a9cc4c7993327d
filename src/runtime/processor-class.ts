// What class of processor this is, as far as the speed of int8 weights goes: docs/performance.md has a row for each. Whether
// its products are exact is measured (processor.ts); among those that are, the system says which instructions there are,
// where it says it.
import { readRegularSync } from '../files/read.js';
import { nodeSessionClass } from './node-session.js';
import { int8Products, type Int8Products } from './processor.js';

/** More than 256 threads write there. */
const MOST_BYTES = 2 ** 22;

let known: Promise<string> | undefined;

/** This machine's class, as docs/performance.md names it. In Node only; measured once a process. */
export function processorClass(): Promise<string> {
  known ??= nodeSessionClass()
    .then(int8Products)
    .then((products) => classOf(products, process.arch, instructions()));
  return known;
}

/**
 * The class of a processor.
 * @param architecture as Node names it
 * @param has the names of its instruction sets, as Linux writes them; empty where they are not known
 */
export function classOf(products: Int8Products, architecture: string, has: ReadonlySet<string>): string {
  switch (architecture) {
    case 'x64':
      if (products === 'saturating') return 'x86-64, AVX2 without VNNI';
      if (has.has('amx_int8')) return 'x86-64, AMX';
      if (has.has('avx512_vnni')) return 'x86-64, AVX-512 VNNI without AMX';
      if (has.has('avx_vnni')) return 'x86-64, AVX-VNNI';
      return has.has('avx2') || has.size === 0 ? 'x86-64, exact int8 products' : 'x86-64 without AVX2';
    case 'arm64':
      return has.has('asimddp') ? 'Arm with dot products' : 'Arm';
    default:
      return architecture;
  }
}

/** The instruction sets of the first processor; none where the system does not list them in a file. */
function instructions(): ReadonlySet<string> {
  try {
    const text = new TextDecoder().decode(readRegularSync('/proc/cpuinfo', MOST_BYTES));
    return new Set(/^(?:flags|Features)\s*:(.*)$/mu.exec(text)?.[1]?.trim().split(/\s+/u));
  } catch {
    return new Set();
  }
}
