/**
 * A worker: takes chunks from the queue and has a process of its own answer them, one at a time. Killed at any moment, its chunk
 * goes to another once its lock has run out. A chunk that ends its process again and again, or that cannot be answered, ends among
 * the queue's failed jobs, with its error.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { UnrecoverableError, Worker } from 'bullmq';
import type { ChildOptions, FromChild, ToChild } from './child-messages.js';
import { connectRedis } from './connection.js';
import {
  QUEUE,
  runKey,
  type Chunk,
  type ChunkResult,
  type QueuedBatch,
  type QueuedRun,
  type QueuedWork,
} from './queued-run.js';

/** How a worker works. */
export interface WorkerOptions {
  readonly url: string;
  /** The module of the inference process. */
  readonly child: URL | string;
  readonly data?: ChildOptions['data'];
  readonly allowNetwork?: boolean;
  /** Threads of the processor for evaluations; default: one a core. */
  readonly threads?: number;
  /** Milliseconds without a heartbeat after which a worker counts as lost; default: 15,000. */
  readonly lostAfter?: number;
  /** Ends the worker after the chunk at hand. */
  readonly signal?: AbortSignal;
  /** Called at each end of a chunk, or of requests of a batch. */
  readonly onChunk?: (work: QueuedWork, error: Error | undefined) => void;
}

/** How often a chunk may be lost with its worker: a chunk that kills every worker has to end somewhere. */
const MOST_LOST = 10;

/** Works until it is told to end. @throws FastvError as {@link connectRedis} does */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { url, lostAfter = 15_000, signal, onChunk } = options;
  const redis = await connectRedis(url);
  const inference = new Inference(options);
  const runs = new Map<string, QueuedRun>();
  const runOf = async (id: string): Promise<QueuedRun> => {
    const known = runs.get(id);
    if (known !== undefined) return known;
    const text = await redis.get(runKey(id));
    if (text === null) throw new UnrecoverableError('the queue does not say what this chunk is of');
    const run = JSON.parse(text) as QueuedRun;
    runs.clear();
    runs.set(id, run);
    return run;
  };
  const worker = new Worker<QueuedWork, ChunkResult | readonly unknown[]>(
    QUEUE,
    async ({ data: work }) =>
      'batch' in work ? inference.batch(work.batch) : inference.answer(work, await runOf(work.run)),
    {
      connection: redis,
      concurrency: 1,
      lockDuration: lostAfter,
      stalledInterval: Math.ceil(lostAfter / 2),
      maxStalledCount: MOST_LOST,
    },
  );
  // a server that restarts is waited for
  worker.on('error', () => undefined);
  worker.on('completed', ({ data }) => onChunk?.(data, undefined));
  worker.on('failed', (job, error) => {
    if (job !== undefined) onChunk?.(job.data, error);
  });
  await new Promise<void>((resolve) => {
    if (signal?.aborted === true) resolve();
    else
      signal?.addEventListener(
        'abort',
        () => {
          resolve();
        },
        { once: true },
      );
  });
  await worker.close();
  inference.end();
  redis.disconnect();
}

/** The inference process: started when it is needed, and again when it has died. */
class Inference {
  readonly #options: WorkerOptions;
  #process: ChildProcess | undefined;
  #run: string | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  async answer(chunk: Chunk, run: QueuedRun): Promise<ChunkResult> {
    if (this.#process === undefined || this.#run !== chunk.run) {
      const { data = {}, allowNetwork = false, threads } = this.#options;
      await this.#ask({ open: { run, data, allowNetwork, ...(threads === undefined ? {} : { threads }) } });
      this.#run = chunk.run;
    }
    const answer = await this.#ask({ chunk });
    if ('result' in answer) return answer.result;
    throw new Error('the inference process gave no result');
  }

  async batch(batch: QueuedBatch): Promise<readonly unknown[]> {
    const { data, allowNetwork = false } = this.#options;
    const mediaRoot = data?.imageFolder === undefined ? {} : { mediaRoot: data.imageFolder };
    const answer = await this.#ask({ batch: { ...batch, allowNetwork, ...mediaRoot } });
    if ('answers' in answer) return answer.answers;
    throw new Error('the inference process gave no answers');
  }

  end(): void {
    this.#process?.kill();
  }

  #ask(message: ToChild): Promise<FromChild> {
    const child = (this.#process ??= fork(this.#options.child, { serialization: 'advanced' }));
    return new Promise((resolve, reject) => {
      const died = (code: number | null, signal: string | null): void => {
        this.#process = undefined;
        this.#run = undefined;
        done();
        reject(new Error(`the inference process ended with ${signal ?? `code ${String(code)}`}`));
      };
      const answered = (answer: unknown): void => {
        done();
        const said = answer as FromChild;
        if (!('failure' in said)) {
          resolve(said);
          return;
        }
        const { message: text, where, final } = said.failure;
        const whole = where === undefined ? text : `${text} (${where})`;
        reject(final ? new UnrecoverableError(whole) : new Error(whole));
      };
      const done = (): void => {
        child.off('exit', died);
        child.off('message', answered);
      };
      child.once('exit', died);
      child.once('message', answered);
      child.send(message, (error) => {
        if (error !== null) died(null, error.message);
      });
    });
  }
}
