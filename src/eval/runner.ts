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
import type { Answerer, Condition } from './answerer.js';
import type { DatasetRevision } from './datasets/revision.js';
import { answersTo, askOf, batchesOf, type Answered, type Asked } from './asking.js';
import { openLines, type LineFile } from './files.js';
import { imageOf, keyPrefix, resultKey, type AnsweringOptions, type Result } from './result.js';
import { checkRun, type RunOptions } from './run-options.js';
import { drawSamples } from './sampling.js';
import { scoreReply } from './score.js';
import { isOfShard } from './shard.js';
import { Skips } from './skips.js';
import { summarize, type Summary } from './summary.js';
import { letter } from './metrics/multiple-choice.js';
import { openTask, type OpenTask } from './tasks/open-task.js';
import type { Sample } from './tasks/sample.js';
import type { Task } from './tasks/task.js';

export type { RunOptions } from './run-options.js';

/** What a run gives: its summary, and the results that it sums up, task by task in the order of its samples. */
export interface Run {
  readonly summary: Summary;
  readonly results: readonly Result[];
}

/**
 * Runs an evaluation, or the rest of one.
 * @returns the summary, which is also in `summary.json`; `complete` is false if it was ended before
 * @throws FastvError `invalid-option`, `io`, and for a bad row `invalid-input` unless `onError` is `skip`
 */
export async function runEvaluation(answerer: Answerer, options: RunOptions): Promise<Summary> {
  return (await evaluate(answerer, options)).summary;
}

/** The same, with the results. */
export async function evaluate(answerer: Answerer, options: RunOptions): Promise<Run> {
  const plan = planOf(answerer, options);
  await makeFolder(options.out);
  const file = await openLines(join(options.out, 'results.jsonl'));
  try {
    await answerer.prepare?.(options.conditions);
    return await finish(plan, await ask(plan, file));
  } finally {
    await file.close();
  }
}

/** Batches of samples among which questions that can share a batch are looked for; no more samples are held. */
const WINDOW = 4;

/** What is asked of whom. */
interface Plan {
  readonly answerer: Answerer;
  readonly options: RunOptions;
  readonly answering: AnsweringOptions;
  readonly batch: number;
  /** Samples that are looked at together. */
  readonly window: number;
  /** The key of a task's results. */
  readonly keyOf: (
    task: Task,
    dataset: DatasetRevision | undefined,
  ) => (sample: Sample, condition: Condition) => string;
}

/** What came of it. */
interface Outcome {
  readonly results: readonly Result[];
  readonly skips: Skips;
  /** What a reader of the numbers has to know. */
  readonly notes: readonly string[];
  readonly datasets: NonNullable<Summary['datasets']>;
}

/** The plan of a run. @throws FastvError `invalid-option` */
function planOf(answerer: Answerer, options: RunOptions): Plan {
  checkRun(options);
  const { conditions, batch = 1 } = options;
  const answering: AnsweringOptions = { choices: options.choices ?? 'letter' };
  return {
    answerer,
    options,
    answering,
    batch,
    window: answerer.batches === undefined || batch === 1 ? batch : batch * WINDOW,
    keyOf(task, dataset) {
      const { identity } = answerer;
      const prefixes = new Map(
        conditions.map((c) => [c, keyPrefix(identity, answering, c, task, dataset?.revision)]),
      );
      return (sample, condition) => resultKey(prefixes.get(condition) ?? '', sample);
    },
  };
}

/** Asks whatever the file does not know yet. */
async function ask(plan: Plan, file: LineFile): Promise<Outcome> {
  const { options, window } = plan;
  const { tasks, conditions, limit, signal, shard } = options;
  const known = new Map((file.before as Result[]).map((r) => [r.key, r]));
  const skips = new Skips(options.onError ?? 'stop');
  const counter = new Counter(options);
  const results: Result[] = [];
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
        if (shard !== undefined && !isOfShard(shard, at / window)) continue;
        seen.categories ||= samples.some(({ category }) => category !== null);
        const have = new Map<string, Result>();
        for (const key of samples.flatMap((sample) => conditions.map((c) => keyOf(sample, c)))) {
          const result = known.get(key);
          if (result !== undefined) have.set(key, result);
        }
        counter.found(have.size);
        const isMissing = (sample: Sample, condition: Condition): boolean =>
          !have.has(keyOf(sample, condition));
        for await (const [condition, answers] of answersOf(plan, task, samples, isMissing, skips)) {
          const fresh = answers.flatMap((answered) => {
            const { sample } = answered;
            const result = resultOf(keyOf(sample, condition), task, condition, answered, skips);
            return result === undefined ? [] : [{ ...result, place: at + samples.indexOf(sample) }];
          });
          await file.append(fresh);
          for (const result of fresh) have.set(result.key, result);
          counter.done(fresh.length, `${task.name}, ${condition.name}`);
        }
        // in the stream's order, however they were grouped and whenever they were made
        for (const condition of conditions) {
          results.push(...samples.flatMap((sample) => have.get(keyOf(sample, condition)) ?? []));
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
  return { results, skips, notes, datasets };
}

/** Sums the results up and writes the summary. */
async function finish(plan: Plan, { results, skips, notes, datasets }: Outcome): Promise<Run> {
  const { answerer, answering, options } = plan;
  const { tasks, conditions } = options;
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
  });
  await writeAtomically(join(options.out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  return { summary, results };
}

/** The samples of a task that are asked: those that were drawn where there is a limit, and what is to be said of it. */
async function chosenSamples(
  opened: OpenTask,
  { limit, sampling, data }: RunOptions,
): Promise<{ readonly samples: AsyncIterable<Sample>; readonly note: string | null }> {
  const { task } = opened;
  if (limit === undefined || sampling?.how !== 'random' || task.data.kind === 'scenes')
    return { samples: opened.samples(), note: null };
  // what is wrong with a row is said when it is read to be asked
  const looked = openTask(task, { ...data, onBadRow: () => undefined });
  try {
    const { ids, of, categories } = await drawSamples(looked.samples(), limit, sampling.seed);
    const evenly = categories > 1 ? `, from ${categories} categories in proportion` : '';
    const note = `${task.name}: ${ids.size} of ${of} samples, drawn by seed ${sampling.seed}${evenly}`;
    return { samples: only(opened.samples(), ids), note: of <= limit ? null : note };
  } finally {
    await looked.close();
  }
}

async function* only(samples: AsyncIterable<Sample>, ids: ReadonlySet<string>): AsyncGenerator<Sample> {
  let left = ids.size;
  for await (const sample of samples) {
    if (!ids.has(sample.id)) continue;
    yield sample;
    if (--left === 0) return;
  }
}

/** Samples of a task that are looked at together, and the place of the first. */
interface Window {
  readonly samples: readonly Sample[];
  readonly at: number;
}

/** The task's samples, so many at a time. */
async function* windows(all: AsyncIterable<Sample>, limit = Infinity, size = 1): AsyncGenerator<Window> {
  let at = 0;
  let samples: Sample[] = [];
  for await (const sample of all) {
    samples.push(sample);
    const ends = at + samples.length === limit;
    if (samples.length === size || ends) {
      yield { samples, at };
      at += samples.length;
      samples = [];
    }
    if (ends) return;
  }
  if (samples.length > 0) yield { samples, at };
}

/** What is missing of a window's samples, condition by condition and batch by batch, until the run is ended. */
async function* answersOf(
  { answerer, answering, batch, options: { conditions, signal } }: Plan,
  task: Task,
  samples: readonly Sample[],
  isMissing: (sample: Sample, condition: Condition) => boolean,
  skips: Skips,
): AsyncGenerator<readonly [Condition, readonly Answered[]]> {
  if (isAborted(signal)) return;
  const onError = (sample: Sample, error: unknown): void => {
    skips.take(task, error, sample.where);
  };
  const asked: Asked[] = [];
  for (const sample of samples) {
    if (!conditions.some((condition) => isMissing(sample, condition))) continue;
    const one = await askOf(sample, answering, onError);
    if (one !== undefined) asked.push(one);
  }
  for (const condition of conditions) {
    const now = asked.filter(({ sample }) => isMissing(sample, condition));
    if (now.length === 0) continue;
    if (isAborted(signal)) return;
    for (const group of await batchesOf(answerer, now, condition, batch)) {
      if (isAborted(signal)) return;
      yield [condition, await answersTo(answerer, group, condition, onError)];
    }
  }
}

/** The result of an answer; undefined where it cannot be scored. */
function resultOf(
  key: string,
  task: Task,
  condition: Condition,
  { sample, ask, answer }: Answered,
  skips: Skips,
): Result | undefined {
  try {
    const { score, choice } = scoreReply(task.metric, sample, answer);
    skips.used();
    const taken = choice === null ? undefined : letter(choice);
    return {
      key,
      condition: condition.name,
      task: task.name,
      sample: sample.id,
      prompt: sample.prompt,
      // by likelihood there is no text: the letter stands for it
      prediction: answer.logLikelihoods === undefined ? answer.text : (taken ?? ''),
      choice,
      options: sample.choices?.length ?? null,
      score,
      answers: sample.answers,
      category: sample.category,
      group: sample.group,
      where: sample.where,
      image: imageOf(ask.images),
      cost: answer.cost,
    };
  } catch (error) {
    skips.take(task, error, sample.where);
    return undefined;
  }
}

function notesOn(
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

/** A function, so that the compiler does not think that a signal stays as it was. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
