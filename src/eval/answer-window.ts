/** Answering a window of samples: what is missing of it, under every condition, as results. */
import type { Answerer, Condition } from './answerer.js';
import { answersTo, askOf, batchesOf, type Answered, type Asked } from './asking.js';
import type { DatasetRevision } from './datasets/revision.js';
import { letter } from './metrics/multiple-choice.js';
import { imageOf, keyPrefix, resultKey, type AnsweringOptions, type Result } from './result.js';
import { checkRun, type RunOptions } from './run-options.js';
import { scoreReply } from './score.js';
import type { Skips } from './skips.js';
import type { Sample } from './tasks/sample.js';
import type { Task } from './tasks/task.js';
import type { Window } from './windows.js';

/** Batches of samples among which questions that can share a batch are looked for; no more samples are held. */
const WINDOW = 4;

/** Pixels of pictures that are held at once: a window of larger ones is answered in parts, whatever the batch. */
const MOST_PIXELS = 40_000_000;

/** The key of a sample's result under a condition. */
export type KeyOf = (sample: Sample, condition: Condition) => string;

/** What is asked of whom. */
export interface Plan {
  readonly answerer: Answerer;
  readonly options: RunOptions;
  readonly answering: AnsweringOptions;
  readonly batch: number;
  /** Samples that are looked at together. */
  readonly window: number;
  /** The key of a task's results. */
  readonly keyOf: (task: Task, dataset: DatasetRevision | undefined) => KeyOf;
}

/** The plan of a run. @throws FastvError `invalid-option` */
export function planOf(answerer: Answerer, options: RunOptions): Plan {
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

/**
 * Results of what is missing of a window, batch by batch, until the run is ended.
 * @throws what goes wrong with a sample, unless it is skipped
 */
export async function* freshResults(
  plan: Plan,
  task: Task,
  { samples, at }: Window,
  keyOf: KeyOf,
  isMissing: (sample: Sample, condition: Condition) => boolean,
  skips: Skips,
): AsyncGenerator<{ readonly condition: Condition; readonly results: readonly Result[] }> {
  for await (const [condition, answers] of answersOf(plan, task, samples, isMissing, skips)) {
    const results = answers.flatMap((answered) => {
      const { sample } = answered;
      const result = resultOf(keyOf(sample, condition), task, condition, answered, skips);
      return result === undefined ? [] : [{ ...result, place: at + samples.indexOf(sample) }];
    });
    yield { condition, results };
  }
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
  const answers = async function* (
    asked: readonly Asked[],
  ): AsyncGenerator<readonly [Condition, readonly Answered[]]> {
    for (const condition of conditions) {
      const now = asked.filter(({ sample }) => isMissing(sample, condition));
      if (now.length === 0) continue;
      if (isAborted(signal)) return;
      for (const group of await batchesOf(answerer, now, condition, batch)) {
        if (isAborted(signal)) return;
        yield [condition, await answersTo(answerer, group, condition, onError)];
      }
    }
  };
  let asked: Asked[] = [];
  let pixels = 0;
  for (const sample of samples) {
    if (!conditions.some((condition) => isMissing(sample, condition))) continue;
    const one = await askOf(sample, answering, onError);
    if (one === undefined) continue;
    asked.push(one);
    pixels += one.ask.images.reduce((sum, { width, height }) => sum + width * height, 0);
    if (pixels < MOST_PIXELS) continue;
    yield* answers(asked);
    [asked, pixels] = [[], 0];
  }
  yield* answers(asked);
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
    const answers = sample.answersOn?.(ask.images) ?? sample.answers;
    const { score, choice } = scoreReply(task.metric, { ...sample, answers }, answer);
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
      answers,
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

/** A function, so that the compiler does not think that a signal stays as it was. */
export function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
