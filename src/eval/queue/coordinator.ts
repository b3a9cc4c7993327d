/**
 * A run over a queue: its windows in chunks, given to whichever workers there are, and their results put together as one machine
 * would have written them. Killed at any moment, and started again, it goes on: results that have come are in `results.jsonl`, chunks
 * that are out are found in the queue by their names. A chunk that the queue has lost (a server without persistence that restarted)
 * is given out again.
 */
import { join } from 'node:path';
import { Queue, type Job } from 'bullmq';
import { FastvError } from '../../errors.js';
import { writeAtomically } from '../../files/atomic.js';
import { makeFolder } from '../../files/make-folder.js';
import { readText } from '../../files/read.js';
import { isAborted } from '../answer-window.js';
import type { AnswererIdentity } from '../answerer.js';
import type { DatasetRevision } from '../datasets/revision.js';
import { writeInRunOrder } from '../merge.js';
import { ResultLog, RowSet } from '../results/log.js';
import { checkRun, type RunOptions } from '../run-options.js';
import { notesOn, type Run } from '../runner.js';
import { processorClass } from '../../runtime/processor-class.js';
import { summarize, type Summary } from '../summary.js';
import { openTask } from '../tasks/open-task.js';
import { chosenSamples, windows } from '../windows.js';
import { connectRedis } from './connection.js';
import {
  ATTEMPTS,
  chunkId,
  QUEUE,
  queuedRun,
  runId,
  runKey,
  type Chunk,
  type ChunkResult,
  type QueuedModel,
} from './queued-run.js';

/** What a run over a queue is asked to do besides. */
export interface QueueOptions {
  readonly url: string;
  readonly model: QueuedModel;
  /** Samples a chunk, at least; default: 50. */
  readonly chunk?: number;
  /** Milliseconds between looks at the queue; default: 250. */
  readonly interval?: number;
}

/** Chunks that are added at once, and results that are fetched at once. */
const PORTION = 200;
/** Seconds that what is asked stays in Redis after it was last needed. */
const KEPT = 30 * 24 * 3600;
/** Looks at the queue between checks that no chunk was lost. */
const CHECK_EVERY = 20;

/** A task as it was read to be given out. */
interface Counted {
  readonly windows: number;
  readonly samples: number;
  readonly notes: readonly string[];
  readonly dataset: DatasetRevision | undefined;
}

/** What a folder remembers of its queue, besides its results. */
interface Memory {
  readonly run: string;
  readonly identity: AnswererIdentity | null;
  readonly done: readonly string[];
  readonly skipped: Summary['skipped'];
}

/**
 * Runs an evaluation on the workers of a queue.
 * @throws FastvError `io` if no Redis answers; `inference` if chunks failed for good, after all others have come; `invalid-input`
 * if workers answer with different models, or from other data
 */
export async function evaluateOnQueue(options: RunOptions, queue: QueueOptions): Promise<Run> {
  checkRun(options);
  await makeFolder(options.out);
  const log = await ResultLog.open(options.out);
  try {
    const redis = await connectRedis(queue.url);
    const jobs = new Queue<Chunk, ChunkResult>(QUEUE, { connection: redis });
    jobs.on('error', () => undefined);
    try {
      const run = queuedRun(options, queue.model);
      const id = runId(run);
      const say = async (): Promise<void> => {
        await redis.set(runKey(id), JSON.stringify(run), 'EX', KEPT);
      };
      return await new Coordinator(options, queue, log, jobs, id, say).run();
    } finally {
      await jobs.close();
      redis.disconnect();
    }
  } finally {
    await log.close();
  }
}

class Coordinator {
  readonly #options: RunOptions;
  readonly #settings: QueueOptions;
  readonly #log: ResultLog;
  readonly #jobs: Queue<Chunk, ChunkResult>;
  readonly #run: string;
  /** Says in Redis what is asked; a server that restarted may have forgotten it. */
  readonly #say: () => Promise<void>;
  readonly #window: number;
  /** Rows of the results that have come. */
  readonly #known = new RowSet();
  /** Chunks that have not come yet, by their names. */
  readonly #out = new Map<string, Chunk>();
  readonly #failed = new Map<string, { readonly chunk: Chunk; readonly reason: string }>();
  readonly #done = new Set<string>();
  #identity: AnswererIdentity | null = null;
  #skipped: Summary['skipped'] = { count: 0, first: [] };
  #datasets: Record<string, DatasetRevision> = {};
  #total = 0;

  constructor(
    options: RunOptions,
    settings: QueueOptions,
    log: ResultLog,
    jobs: Queue<Chunk, ChunkResult>,
    run: string,
    say: () => Promise<void>,
  ) {
    this.#say = say;
    this.#options = options;
    this.#settings = settings;
    this.#log = log;
    this.#jobs = jobs;
    this.#run = run;
    const { batch = 1 } = options;
    this.#window = batch === 1 ? 1 : 4 * batch;
  }

  async run(): Promise<Run> {
    const { tasks, conditions, signal, progress } = this.#options;
    await this.#remember();
    const notes: string[] = [];
    for (const task of tasks) {
      const counted = await this.#count(task);
      notes.push(...counted.notes);
      if (counted.dataset !== undefined) this.#datasets[task.name] = counted.dataset;
      this.#total += counted.samples * conditions.length;
      this.#give(task.name, counted.windows);
    }
    this.#options.onFound?.(this.#known.size);
    await this.#add([...this.#out.values()]);
    for (let look = 1; this.#out.size > 0 && !isAborted(signal); look++) {
      const came = await this.#collect();
      progress?.update(this.#known.size, this.#total, await this.#state());
      if (!came) await new Promise((resolve) => setTimeout(resolve, this.#settings.interval ?? 250));
      if (look % CHECK_EVERY === 0) await this.#addLost();
    }
    progress?.end();
    const run = await this.#finish(notes);
    this.#refuseFailures();
    return run;
  }

  /** How many windows a task has, and what is to be said of it. */
  async #count(task: RunOptions['tasks'][number]): Promise<Counted> {
    const { limit, data, sampling } = this.#options;
    const opened = openTask(task, { ...data, onBadRow: () => undefined });
    try {
      const dataset = await opened.revision();
      const chosen = await chosenSamples(opened, {
        ...(limit === undefined ? {} : { limit }),
        ...(sampling === undefined ? {} : { sampling }),
        ...(data === undefined ? {} : { data }),
      });
      const seen = { samples: 0, categories: false };
      let count = 0;
      for await (const { samples } of windows(chosen.samples, limit, this.#window)) {
        count++;
        seen.samples += samples.length;
        seen.categories ||= samples.some(({ category }) => category !== null);
      }
      const notes = [...(chosen.note === null ? [] : [chosen.note]), ...notesOn(task, seen, limit)];
      return { windows: count, samples: seen.samples, notes, dataset };
    } finally {
      await opened.close();
    }
  }

  #give(task: string, count: number): void {
    const size = Math.max(1, Math.ceil((this.#settings.chunk ?? 50) / this.#window));
    for (let from = 0; from < count; from += size) {
      const chunk = { run: this.#run, task, from, to: Math.min(count, from + size) };
      const id = chunkId(chunk);
      if (!this.#done.has(id)) this.#out.set(id, chunk);
    }
  }

  async #add(chunks: readonly Chunk[]): Promise<void> {
    if (chunks.length > 0) await this.#say();
    for (let at = 0; at < chunks.length; at += PORTION) {
      await this.#jobs.addBulk(
        chunks.slice(at, at + PORTION).map((data) => ({
          name: data.task,
          data,
          opts: { jobId: chunkId(data), attempts: ATTEMPTS, backoff: { type: 'exponential', delay: 200 } },
        })),
      );
    }
  }

  /** Takes what has come. @returns whether anything had */
  async #collect(): Promise<boolean> {
    const completed = await this.#ours('completed');
    for (const job of completed) await this.#take(job);
    if (completed.length > 0) await this.#write();
    // what they held is on the disk
    for (const job of completed) await job.remove().catch(() => undefined);
    const failed = await this.#ours('failed');
    for (const { id = '', data, failedReason } of failed) {
      this.#failed.set(id, { chunk: data, reason: failedReason });
      this.#out.delete(id);
    }
    return completed.length > 0;
  }

  /** Our jobs among those of a state. Others lie there too: of other runs, and of runs that nobody collects any more. */
  async #ours(state: 'completed' | 'failed'): Promise<readonly Job<Chunk, ChunkResult>[]> {
    for (let from = 0; ; from += PORTION) {
      const page = (await this.#jobs.getJobs([state], from, from + PORTION - 1, true)) as readonly (
        Job<Chunk, ChunkResult> | undefined
      )[];
      const ours = page.flatMap((job) => (job?.id !== undefined && this.#out.has(job.id) ? [job] : []));
      if (ours.length > 0 || page.length < PORTION) return ours;
    }
  }

  async #take(job: Job<Chunk, ChunkResult>): Promise<void> {
    const { returnvalue, id = '' } = job;
    const { results, skipped, identity, dataset } = returnvalue;
    this.#check(identity, job.data.task, dataset);
    const fresh = results.filter(({ key }) => this.#log.find(key) === undefined);
    await this.#log.append(fresh);
    for (const { key } of results) {
      const row = this.#log.find(key);
      if (row !== undefined) this.#known.add(row);
    }
    this.#skipped = {
      count: this.#skipped.count + skipped.count,
      first: [...this.#skipped.first, ...skipped.first].slice(0, 20),
    };
    this.#out.delete(id);
    this.#done.add(id);
  }

  /** @throws FastvError for an answer of another model, or from other data, than the others */
  #check(identity: AnswererIdentity, task: string, dataset: DatasetRevision | undefined): void {
    this.#identity ??= identity;
    if (JSON.stringify(identity) !== JSON.stringify(this.#identity)) {
      throw new FastvError('invalid-input', 'two workers have different models, or versions', {
        where: `${JSON.stringify(identity)}, ${JSON.stringify(this.#identity)}`,
        hint: 'install the same everywhere; after a change of the model begin with another --output',
      });
    }
    const own = this.#datasets[task];
    if (dataset?.revision === own?.revision) return;
    throw new FastvError('invalid-input', 'a worker reads other data than this machine', {
      where: `${task}: ${dataset?.revision ?? 'none'}, ${own?.revision ?? 'none'}`,
      hint: 'give each worker the same files with --data',
    });
  }

  /** Chunks that the queue knows nothing of are given out again. */
  async #addLost(): Promise<void> {
    const lost: Chunk[] = [];
    for (const [id, chunk] of this.#out)
      if ((await this.#jobs.getJobState(id)) === 'unknown') lost.push(chunk);
    await this.#add(lost);
  }

  async #state(): Promise<string> {
    const workers = await this.#jobs.getWorkersCount();
    const failed = this.#failed.size === 0 ? '' : `, ${this.#failed.size} chunks failed`;
    return `${workers} ${workers === 1 ? 'worker' : 'workers'}${failed}`;
  }

  get #memory(): string {
    return join(this.#options.out, 'queue.json');
  }

  async #write(): Promise<void> {
    const memory: Memory = {
      ...{ run: this.#run, identity: this.#identity, done: [...this.#done], skipped: this.#skipped },
    };
    await writeAtomically(this.#memory, JSON.stringify(memory), { own: true });
  }

  /** What is there of an earlier start. Chunks that failed then are tried again. */
  async #remember(): Promise<void> {
    const text = await readText(this.#memory, 2 ** 28).catch(() => null);
    const memory = text === null ? null : (JSON.parse(text) as Memory);
    if (memory?.run === this.#run) {
      this.#identity = memory.identity;
      this.#skipped = memory.skipped;
      for (const id of memory.done) this.#done.add(id);
      for (let row = 0; row < this.#log.size; row++) this.#known.add(row);
    }
    const failed = await this.#jobs.getJobs(['failed']);
    for (const job of failed) if (job.data.run === this.#run) await job.remove();
  }

  async #finish(notes: readonly string[]): Promise<Run> {
    const {
      tasks,
      conditions,
      choices = 'letter',
      limit,
      sampling,
      seed = 0,
      about = {},
      out,
    } = this.#options;
    const all = { tasks, conditions };
    const results = await this.#log.table(this.#known);
    const summary = summarize({
      identity: this.#identity ?? { model: '', options: {}, versions: {} },
      answering: { choices },
      ...all,
      results,
      skipped: this.#skipped,
      notes,
      datasets: this.#datasets,
      complete: this.#out.size === 0 && this.#failed.size === 0,
      seed,
      limit: limit ?? null,
      ...(limit === undefined ? {} : { sampling: sampling ?? { how: 'first', seed: 0 } }),
      about,
      processorClass: await processorClass(),
    });
    if (summary.complete) await writeInRunOrder(out, results, all, this.#window);
    await writeAtomically(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`, { own: true });
    return { summary, results };
  }

  #refuseFailures(): void {
    const [first] = this.#failed.values();
    if (first === undefined) return;
    const { chunk, reason } = first;
    throw new FastvError('inference', `${this.#failed.size} chunks failed for good; the first: ${reason}`, {
      where: `${chunk.task}, windows ${chunk.from} to ${chunk.to - 1}`,
      hint: 'all other results are kept: mend the cause and run the same command again',
    });
  }
}
