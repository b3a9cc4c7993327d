// What this machine can do at best: through ONNX Runtime products of large square matrices, and one row times a large
// matrix, which is bound by reading it; and, without ONNX Runtime, memory copied by a thread a core. The right side of
// products is a constant, as weights are, so that ONNX Runtime packs it once.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { SESSION } from '../src/bench/sessions.js';
import { interleaved, type Timings } from '../src/bench/timing.js';
import { DataType } from '../src/onnx/tensor.js';
import { smallModel, type Value } from './graph.js';

export interface CeilingOptions {
  /** Rows and columns of the square matrices. */
  readonly size: number;
  /** MiB of what is read or copied: far more than all caches hold. */
  readonly mebibytes: number;
  readonly rounds: number;
}

/** One ceiling. */
export interface Ceiling {
  readonly name: string;
  /** Operations (a multiply-accumulate is two), or bytes, of a run. */
  readonly work: number;
  readonly unit: 'operations' | 'bytes';
  readonly timings: Timings;
  /** A billion operations or bytes a second, by the fastest run on the clock. */
  readonly rate: number;
}

/** Measures the ceilings: float32 product, int8 product, reading, copying. */
export async function ceilings(
  options: CeilingOptions,
): Promise<readonly [Ceiling, Ceiling, Ceiling, Ceiling]> {
  const { size, mebibytes, rounds } = options;
  const square = [size, size];
  const columns = 4096;
  const rows = (mebibytes * 2 ** 20) / 4 / columns;
  const noise = (_: unknown, i: number): number => ((i * 7919) % 1009) / 1009 - 0.5;
  const floats = (dims: readonly number[]): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, noise);
  const bytes = Uint8Array.from({ length: size * size }, (_, i) => (i * 7919) & 255);
  const value = (name: string, type: DataType, dims: readonly number[]): Value => ({ name, type, dims });
  const run = async (
    model: Uint8Array<ArrayBuffer>,
    feeds: Record<string, Tensor>,
    output?: Tensor,
  ): Promise<() => Promise<unknown>> => {
    const session = await InferenceSession.create(model, SESSION);
    const [name = ''] = session.outputNames;
    // into memory that is there already: a fresh output would be paged in every time
    return () => (output === undefined ? session.run(feeds) : session.run(feeds, { [name]: output }));
  };

  const matrix = new Tensor('float32', floats(square), square);
  const fp32 = smallModel(
    [value('x', DataType.FLOAT, square)],
    { type: DataType.FLOAT, dims: square },
    (e, weight) =>
      e.op('MatMul', ['x', weight(DataType.FLOAT, square, new Uint8Array(floats(square).buffer))]),
  );
  const int8 = smallModel(
    [value('x', DataType.UINT8, square)],
    { type: DataType.INT32, dims: square },
    (e, weight) => e.op('MatMulInteger', ['x', weight(DataType.INT8, square, bytes)]),
  );
  const read = smallModel(
    [value('x', DataType.FLOAT, [1, rows])],
    { type: DataType.FLOAT, dims: [1, columns] },
    (e, weight) =>
      e.op('MatMul', [
        'x',
        weight(DataType.FLOAT, [rows, columns], new Uint8Array(floats([rows, columns]).buffer)),
      ]),
  );
  const row = new Tensor('float32', floats([1, rows]), [1, rows]);
  const copy = copiers(mebibytes * 2 ** 20);
  const [product, largeBytes] = [2 * size ** 3, mebibytes * 2 ** 20];
  const kinds = [
    {
      name: `float32 product, ${size}³`,
      work: product,
      unit: 'operations',
      run: await run(fp32, { x: matrix }, new Tensor('float32', new Float32Array(size * size), square)),
    },
    {
      name: `uint8×int8 product, ${size}³`,
      work: product,
      unit: 'operations',
      run: await run(
        int8,
        { x: new Tensor('uint8', bytes, square) },
        new Tensor('int32', new Int32Array(size * size), square),
      ),
    },
    {
      name: `one row × ${mebibytes} MiB of float32`,
      work: largeBytes,
      unit: 'bytes',
      run: await run(read, { x: row }),
    },
    {
      name: `copying ${mebibytes} MiB, a thread a core (read and written)`,
      work: 2 * largeBytes,
      unit: 'bytes',
      run: copy.run,
    },
  ] as const;
  const timings = await interleaved(kinds, rounds);
  await copy.end();
  const ceiling = ({ name, work, unit }: (typeof kinds)[number]): Ceiling => {
    const found = timings.get(name);
    if (found === undefined) throw new RangeError(`${name} was not measured`);
    return { name, work, unit, timings: found, rate: work / found.wall.fastest / 1e6 };
  };
  return [ceiling(kinds[0]), ceiling(kinds[1]), ceiling(kinds[2]), ceiling(kinds[3])];
}

const COPY = `
  const { parentPort, workerData } = require('node:worker_threads');
  const [from, to] = [new Uint8Array(workerData).fill(1), new Uint8Array(workerData).fill(2)];
  parentPort.on('message', () => {
    to.set(from);
    parentPort.postMessage('done');
  });
`;

/** Threads that copy so many bytes between them. */
function copiers(bytes: number): { run: () => Promise<unknown>; end: () => Promise<unknown> } {
  const count = availableParallelism();
  const workers = Array.from(
    { length: count },
    () => new Worker(COPY, { eval: true, workerData: Math.floor(bytes / count) }),
  );
  const copyOne = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', () => {
        worker.off('error', reject);
        resolve();
      });
      worker.postMessage('copy');
    });
  return {
    run: () => Promise.all(workers.map(copyOne)),
    end: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
