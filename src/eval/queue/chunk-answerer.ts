/**
 * Answers chunks of one run. Chunks mostly come in order, so a task's samples are read on from where the last chunk ended; for an
 * earlier chunk they are read again from the beginning.
 */
import { FastvError } from '../../errors.js';
import { freshResults, planOf, type KeyOf, type Plan } from '../answer-window.js';
import type { Answerer } from '../answerer.js';
import type { DatasetRevision } from '../datasets/revision.js';
import type { Result } from '../result.js';
import { Skips } from '../skips.js';
import { openTask, type OpenOptions, type OpenTask } from '../tasks/open-task.js';
import type { Task } from '../tasks/task.js';
import { chosenSamples, windows, type Window } from '../windows.js';
import type { Chunk, ChunkResult, QueuedRun } from './queued-run.js';

/** A task that is being read. */
interface Reading {
  readonly task: Task;
  readonly opened: OpenTask;
  readonly dataset: DatasetRevision | undefined;
  readonly keyOf: KeyOf;
  readonly windows: AsyncGenerator<Window>;
  /** The number of the window that comes next. */
  next: number;
}

/** Answers chunks of a run. Close it at the end; the answerer stays open. */
export class ChunkAnswerer {
  readonly #answerer: Answerer;
  readonly #plan: Plan;
  readonly #run: QueuedRun;
  readonly #data: OpenOptions;
  #reading: Reading | undefined;
  /** Of the chunk at hand. */
  #skips = new Skips('stop');
  #prepared: Promise<void> | undefined;

  /** @param data where this machine has the datasets, and whether it may fetch them */
  constructor(answerer: Answerer, run: QueuedRun, data: OpenOptions) {
    this.#answerer = answerer;
    this.#run = run;
    this.#data = data;
    this.#plan = planOf(answerer, { ...run, out: '', data });
  }

  /** @throws what goes wrong with a sample, unless the run skips such samples */
  async answer({ task: name, from, to }: Chunk): Promise<ChunkResult> {
    await (this.#prepared ??= this.#answerer.prepare?.(this.#run.conditions) ?? Promise.resolve());
    this.#skips = new Skips(this.#run.onError);
    const reading = await this.#readingOf(name, from);
    const results: Result[] = [];
    try {
      while (reading.next < to) {
        const next = await reading.windows.next();
        if (next.done === true) break;
        const place = reading.next++;
        if (place < from) continue;
        const { task, keyOf } = reading;
        const fresh = freshResults(this.#plan, task, next.value, keyOf, () => true, this.#skips);
        for await (const { results: some } of fresh) results.push(...some);
      }
    } catch (error) {
      await this.close();
      throw error;
    }
    const { dataset } = reading;
    return {
      results,
      skipped: this.#skips.summary,
      identity: this.#answerer.identity,
      ...(dataset === undefined ? {} : { dataset }),
    };
  }

  async close(): Promise<void> {
    await this.#reading?.opened.close();
    this.#reading = undefined;
  }

  async #readingOf(name: string, from: number): Promise<Reading> {
    const known = this.#reading;
    if (known?.task.name === name && known.next <= from) return known;
    await this.close();
    const task = this.#run.tasks.find((one) => one.name === name);
    if (task === undefined)
      throw new FastvError('invalid-input', 'the run has no such task', { where: name });
    const opened = openTask(task, {
      ...this.#data,
      onBadRow: (error) => {
        this.#skips.take(task, error);
      },
    });
    const dataset = await opened.revision();
    const first = from * this.#plan.window;
    const { samples } = await chosenSamples(opened, { ...this.#run, data: this.#data }, first);
    const reading = {
      ...{ task, opened, dataset, keyOf: this.#plan.keyOf(task, dataset) },
      windows: windows(samples, this.#run.limit, this.#plan.window, first),
      next: from,
    };
    this.#reading = reading;
    return reading;
  }
}
