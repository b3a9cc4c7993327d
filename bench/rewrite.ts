/** `npm run bench:rewrite`: what rewriting a decoder takes, in time and memory. Each case runs in a process of its own. */
import { rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readModelFile, writeModelFile } from '../src/files/model-file.js';
import { rewriteDecoder } from '../src/rewrite/index.js';
import { cachedInOneFile, cachedWithoutWeights, type Generated } from './cache.js';
import { timing } from '../src/bench/timing.js';
import { inOwnProcess } from './own-process.js';
import { printTable } from './print.js';
import { memory, resetPeak } from './resident-memory.js';

interface Measured {
  readonly ms: number;
  /** Peak resident memory above what the process had before. */
  readonly peak: number;
}

const MEBI = 2 ** 20;
const ROUNDS = 5;
const self = fileURLToPath(import.meta.url);

/** Rewrites one file, as `fastv rewrite` does, and prints what it took. */
async function measure(file: string): Promise<Measured> {
  const output = join(dirname(file), 'rewritten.onnx');
  globalThis.gc?.();
  resetPeak();
  const { now } = memory();
  const start = performance.now();
  const source = await readModelFile(file);
  const { model } = rewriteDecoder(source.model, { stages: [{ layer: 2 }] });
  await writeModelFile(model, output, source);
  const ms = performance.now() - start;
  const { peak } = memory();
  rmSync(output);
  return { ms, peak: peak - now };
}

function inChild({ file }: Generated): Measured[] {
  return Array.from({ length: ROUNDS }, () => inOwnProcess(self, file) as Measured);
}

const [file] = process.argv.slice(2);
if (file !== undefined) {
  console.log(JSON.stringify(await measure(file)));
} else {
  const cases = [
    {
      name: '32 layers, external data',
      generated: cachedWithoutWeights({ shape: 'llava-1.5-7b', layers: 32, weights: 'int8' }),
      limit: (size: number) => size + 200 * MEBI,
      seconds: 1,
    },
    {
      name: 'one file of 1.5 GB',
      generated: cachedInOneFile({ shape: 'qwen2-vl-2b', layers: 3, weights: 'fp32' }),
      limit: (size: number) => 2 * size,
      seconds: undefined,
    },
  ];
  const rows = cases.map(({ name, generated, limit, seconds }) => {
    const runs = inChild(generated);
    const { size } = statSync(generated.file);
    const { median, fastest, slowest } = timing(runs.map(({ ms }) => ms));
    const peak = Math.max(...runs.map((run) => run.peak));
    const good = peak < limit(size) && (seconds === undefined || median < 1000 * seconds);
    return [
      name,
      (size / MEBI).toFixed(1),
      (median / 1000).toFixed(2),
      `${(fastest / 1000).toFixed(2)}–${(slowest / 1000).toFixed(2)}`,
      seconds === undefined ? '' : seconds.toFixed(2),
      (peak / MEBI).toFixed(0),
      (limit(size) / MEBI).toFixed(0),
      good ? 'yes' : 'no',
    ];
  });
  printTable(['', 'file MiB', 's', 'range', 'at most', 'peak MiB', 'at most', 'met'], rows);
  if (rows.some((row) => row.at(-1) === 'no')) process.exitCode = 1;
}
