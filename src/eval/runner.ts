/**
 * Runs tasks under conditions and keeps every result. Killed at any moment and started again, it goes on
 * where it was: a result is on the disk before the next question is asked, and none is asked twice.
 *
 * Three steps: the plan (what is asked, and what each question's key is), asking, and the summary.
 *
 * Samples are the outer loop, conditions the inner one, so that a model can keep the vision features of
 * the few images at hand for all conditions.
 */
import { join } from 'node:path';
import { writeAtomically } from '../files/atomic.js';
import { makeFolder } from '../files/make-folder.js';
import { freshResults, isAborted, planOf, type Plan } from './answer-window.js';
import type { Answerer, Condition } from './answerer.js';
import { refuseEmptyCells } from './empty-cells.js';
import type { DatasetRevision } from './datasets/revision.js';
import { readingRuns } from './foreign-run.js';
import { ResultLog, RowSet } from './results/log.js';
import type { ResultTable } from './results/table.js';
import type { RunOptions } from './run-options.js';
import { isOfShard } from './shard.js';
import { Skips } from './skips.js';
import { summarize, type Summary } from './summary.js';
import { openTask } from './tasks/open-task.js';
import type { Sample } from './tasks/sample.js';
import type { Task } from './tasks/task.js';
import { chosenSamples, windows } from './windows.js';
import { processorClass } from '../runtime/processor-class.js';

export type { RunOptions } from './run-options.js';

/** What a run gives: its summary, and the results that it sums up. */
export interface Run {
  readonly summary: Summary;
  readonly results: ResultTable;
}

/**
 * Runs an evaluation, or the rest of one.
 * @returns the summary, which is also in `summary.json`; `complete` is false if it was ended before
 * @throws FastvError `invalid-option`, `io`, for a bad row `invalid-input` unless `onError` is `skip`, and `invalid-input` after all
 * is written where a task has no result
 */
export async function runEvaluation(answerer: Answerer, options: RunOptions): Promise<Summary> {
  const { summary } = await evaluate(answerer, options);
  refuseEmptyCells(summary);
  return summary;
}

/** The same, with the results; also where a task has none. */
export async function evaluate(answerer: Answerer, options: RunOptions): Promise<Run> {
  const plan = planOf(answerer, options);
  await makeFolder(options.out);
  const log = await ResultLog.open(options.out);
  try {
    await answerer.prepare?.(options.conditions);
    const outcome = await ask(plan, log);
    // results that were there before may be anybody's
    return await readingRuns([options.out], () => finish(plan, log, outcome));
  } finally {
    await log.close();
  }
}

/** What came of it. */
interface Outcome {
  /** Rows of its results: the file may hold others too. */
  readonly rows: RowSet;
  readonly skips: Skips;
  /** What a reader of the numbers has to know. */
  readonly notes: readonly string[];
  readonly datasets: NonNullable<Summary['datasets']>;
}

/** Asks whatever the file does not know yet. */
async function ask(plan: Plan, log: ResultLog): Promise<Outcome> {
  const { options, window } = plan;
  const { tasks, conditions, limit, signal, shard } = options;
  const skips = new Skips(options.onError ?? 'stop');
  const counter = new Counter(options);
  const rows = new RowSet();
  const notes: string[] = [];
  const datasets: Record<string, DatasetRevision> = {};
  for (const task of tasks) {
    const opened = openTask(task, {
      ...options.data,
      onBadRow: (error) => {
        skips.take(task, error);
      },
    });
    const seen = { samples: 0, categories: false };
    try {
      const dataset = await opened.revision();
      if (dataset !== undefined) datasets[task.name] = dataset;
      const keyOf = plan.keyOf(task, dataset);
      const chosen = await chosenSamples(opened, options);
      if (chosen.note !== null) notes.push(chosen.note);
      for await (const { samples, at } of windows(chosen.samples, limit, window)) {
        seen.samples += samples.length;
        seen.categories ||= samples.some(({ category }) => category !== null);
        if (shard !== undefined && !isOfShard(shard, at / window)) continue;
        const have = new Set<string>();
        for (const key of samples.flatMap((sample) => conditions.map((c) => keyOf(sample, c)))) {
          const row = log.find(key);
          if (row === undefined) continue;
          have.add(key);
          rows.add(row);
        }
        counter.found(have.size);
        if (have.size === samples.length * conditions.length) continue;
        const isMissing = (sample: Sample, condition: Condition): boolean =>
          !have.has(keyOf(sample, condition));
        const missing = freshResults(plan, task, { samples, at }, keyOf, isMissing, skips);
        for await (const { condition, results } of missing) {
          for (const row of await log.append(results)) rows.add(row);
          counter.done(results.length, `${task.name}, ${condition.name}`);
        }
      }
    } finally {
      await opened.close();
    }
    if (isAborted(signal)) break;
    notes.push(...notesOn(task, seen, limit));
    counter.taskEnded(seen.samples);
  }
  counter.end();
  return { rows, skips, notes, datasets };
}

/** Sums the results up and writes the summary. */
async function finish(plan: Plan, log: ResultLog, { rows, skips, notes, datasets }: Outcome): Promise<Run> {
  const { answerer, answering, options } = plan;
  const { tasks, conditions } = options;
  const results = await log.table(rows);
  const summary = summarize({
    identity: answerer.identity,
    answering,
    tasks,
    conditions,
    results,
    skipped: skips.summary,
    notes,
    datasets,
    complete: !isAborted(options.signal),
    seed: options.seed ?? 0,
    limit: options.limit ?? null,
    ...(options.limit === undefined ? {} : { sampling: options.sampling ?? { how: 'first', seed: 0 } }),
    ...(options.shard === undefined ? {} : { shard: { ...options.shard, window: plan.window } }),
    about: options.about ?? {},
    processorClass: await processorClass(),
  });
  await writeAtomically(join(options.out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`, {
    own: true,
  });
  return { summary, results };
}

/** What a reader of a task's numbers has to know. */
export function notesOn(
  task: Task,
  { samples, categories }: { readonly samples: number; readonly categories: boolean },
  limit: number | undefined,
): string[] {
  if (samples === 0) return [`${task.name}: the data set has no sample`];
  return [
    ...(limit !== undefined && samples < limit
      ? [`${task.name}: ${samples} samples, fewer than the limit of ${limit}`]
      : []),
    ...(task.category !== undefined && !categories
      ? [
          `${task.name}: no row has the field ${typeof task.category === 'string' ? task.category : task.category.field}, so there are no categories`,
        ]
      : []),
  ];
}

/** How far a run is. */
class Counter {
  readonly #options: RunOptions;
  #total: number | null;
  #done = 0;
  #found = 0;

  constructor(options: RunOptions) {
    const { limit, tasks, conditions } = options;
    this.#options = options;
    this.#total = limit === undefined ? null : limit * tasks.length * conditions.length;
  }

  /** Results that were there already. */
  found(count: number): void {
    this.#found += count;
    this.#done += count;
    this.#options.onFound?.(this.#found);
  }

  done(count: number, what: string): void {
    this.#done += count;
    this.#options.progress?.update(this.#done, this.#total, what);
  }

  /** A task may have fewer samples than the limit. */
  taskEnded(samples: number): void {
    const { limit, conditions } = this.#options;
    if (this.#total !== null && limit !== undefined) this.#total -= (limit - samples) * conditions.length;
  }

  end(): void {
    this.#options.progress?.end();
  }
}
