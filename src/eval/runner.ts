/**
 * Runs tasks under conditions and keeps every result. Killed at any moment and started again, it goes on
 * where it was: a result is on the disk before the next question is asked, and none is asked twice.
 *
 * Samples are the outer loop, conditions the inner one, so that a model can keep the vision features of
 * the few images at hand for all conditions.
 */
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import type { Answer, Answerer, Ask, Condition } from './answerer.js';
import { writeAtomically } from '../files/atomic.js';
import { makeFolder } from '../files/make-folder.js';
import { openLines } from './files.js';
import type { Progress } from './progress.js';
import { keyPrefix, resultKey, type AnsweringOptions, type Result } from './result.js';
import { scoreReply } from './score.js';
import { summarize, type Skipped, type Summary } from './summary.js';
import { letter } from './metrics/multiple-choice.js';
import { openTask, type OpenOptions, type OpenTask } from './tasks/open-task.js';
import type { Sample } from './tasks/sample.js';
import type { Task } from './tasks/task.js';

export interface RunOptions {
  /** A folder; `results.jsonl` and `summary.json` are written into it. */
  readonly out: string;
  readonly tasks: readonly Task[];
  readonly conditions: readonly Condition[];
  /** Samples of each task at most; scenes, which have no end, need one. */
  readonly limit?: number;
  /** Questions asked at once, at most: those that can be, among the next `4 * batch`. */
  readonly batch?: number;
  readonly choices?: AnsweringOptions['choices'];
  /** `stop` (default) at the first sample that cannot be used, or `skip` it and say so in the summary. */
  readonly onError?: 'stop' | 'skip';
  /** Of the bootstrap. */
  readonly seed?: number;
  readonly data?: OpenOptions;
  /** Ends the run after the question at hand. */
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
  /** Called with the number of results that were there already. */
  readonly onFound?: (count: number) => void;
  /** What else is to be said in the summary: the recipe, the command line, … */
  readonly about?: Readonly<Record<string, unknown>>;
}

/** Batches of samples among which questions that can share a batch are looked for; no more samples are held. */
const WINDOW = 4;

/** A sample with the picture of what is still to be asked about it. */
interface Open {
  readonly sample: Sample;
  readonly missing: readonly Condition[];
}

/**
 * Runs an evaluation, or the rest of one.
 * @returns the summary, which is also in `summary.json`; `complete` is false if it was ended before
 * @throws FastvError `invalid-option`, `io`, and for a bad row `invalid-input` unless `onError` is `skip`
 */
export async function runEvaluation(answerer: Answerer, options: RunOptions): Promise<Summary> {
  check(options);
  const { tasks, conditions, limit, batch = 1, signal, progress } = options;
  const answering: AnsweringOptions = { choices: options.choices ?? 'letter' };
  await makeFolder(options.out);
  const lines = await openLines(join(options.out, 'results.jsonl'));
  try {
    const known = new Map((lines.before as Result[]).map((r) => [r.key, r]));
    const wanted: Result[] = [];
    const skipped: Skipped[] = [];
    const skip = (task: Task, error: FastvError): void => {
      if (options.onError !== 'skip') throw error;
      skipped.push({ task: task.name, where: error.where ?? '', message: error.message });
    };
    const total = limit === undefined ? null : limit * tasks.length * conditions.length;
    let found = 0;
    let done = 0;
    await answerer.prepare?.(conditions);

    for (const task of tasks) {
      const prefixes = new Map(conditions.map((c) => [c, keyPrefix(answerer.identity, answering, c, task)]));
      const key = (sample: Sample, condition: Condition): string =>
        resultKey(prefixes.get(condition) ?? '', sample);
      const opened = openTask(task, {
        ...options.data,
        onBadRow: (error) => {
          skip(task, error);
        },
      });
      try {
        for await (const samples of batches(
          opened,
          limit,
          answerer.batches === undefined || batch === 1 ? batch : batch * WINDOW,
        )) {
          const open: Open[] = [];
          const have = new Map<string, Result>();
          for (const sample of samples) {
            const missing: Condition[] = [];
            for (const condition of conditions) {
              const result = known.get(key(sample, condition));
              if (result === undefined) missing.push(condition);
              else {
                have.set(result.key, result);
                found++;
                done++;
              }
            }
            if (missing.length > 0) open.push({ sample, missing });
          }
          options.onFound?.(found);
          const asks = isAborted(signal)
            ? []
            : await asksOf(open, answering, (error) => {
                skip(task, error);
              });
          for (const condition of conditions) {
            const now = asks.filter((a) => a.open.missing.includes(condition));
            if (now.length === 0) continue;
            if (isAborted(signal)) break;
            for (const places of await groups(answerer, now, condition, batch)) {
              if (isAborted(signal)) break;
              const group = places.flatMap((place) => now[place] ?? []);
              const answers = await answerAll(answerer, group, condition, (error) => {
                skip(task, error);
              });
              const results = answers.map(({ sample, answer }) =>
                resultOf(key(sample, condition), task, condition, sample, answer),
              );
              await lines.append(results);
              for (const result of results) have.set(result.key, result);
              done += results.length;
              progress?.update(done, total, `${task.name}, ${condition.name}`);
            }
          }
          // in the stream's order, however they were grouped and whenever they were made
          for (const condition of conditions) {
            wanted.push(...samples.flatMap((sample) => have.get(key(sample, condition)) ?? []));
          }
        }
      } finally {
        await opened.close();
      }
      if (isAborted(signal)) break;
    }
    progress?.end();
    const summary = summarize({
      identity: answerer.identity,
      answering,
      tasks,
      conditions,
      results: wanted,
      skipped,
      complete: !isAborted(signal),
      seed: options.seed ?? 0,
      limit: limit ?? null,
      about: options.about ?? {},
    });
    await writeAtomically(join(options.out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
    return summary;
  } finally {
    await lines.close();
  }
}

function check({ tasks, conditions, limit, batch = 1 }: RunOptions): void {
  const invalid = (message: string, where: string): FastvError =>
    new FastvError('invalid-option', message, { where });
  if (tasks.length === 0) throw invalid('there is no task to run', '--tasks');
  if (conditions.length === 0) throw invalid('there is nothing to run under', 'conditions');
  const names = new Set(conditions.map((c) => c.name));
  if (names.size !== conditions.length) throw invalid('two conditions have one name', [...names].join(', '));
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1))
    throw invalid('1 or more is needed', '--limit');
  if (!Number.isInteger(batch) || batch < 1) throw invalid('1 or more is needed', '--batch');
  for (const { name, pruning, imageScale } of conditions) {
    if (pruning !== null && !(pruning.ratio >= 0 && pruning.ratio <= 1))
      throw invalid('R must be in [0, 1]', name);
    if (pruning !== null && (!Number.isInteger(pruning.layer) || pruning.layer < 0)) {
      throw invalid('K must be a whole number, 0 or more', name);
    }
    if (!(imageScale > 0 && imageScale <= 1)) throw invalid('images can be scaled down only', name);
  }
  const endless = limit === undefined ? tasks.find((t) => t.data.kind === 'scenes') : undefined;
  if (endless !== undefined) throw invalid(`${endless.name} has no end, so a limit is needed`, '--limit');
}

/** A function, so that the compiler does not think that a signal stays as it was. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

async function* batches(opened: OpenTask, limit = Infinity, size = 1): AsyncGenerator<Sample[]> {
  let count = 0;
  let batch: Sample[] = [];
  for await (const sample of opened.samples()) {
    batch.push(sample);
    count++;
    if (batch.length === size || count === limit) {
      yield batch;
      batch = [];
    }
    if (count === limit) return;
  }
  if (batch.length > 0) yield batch;
}

/** Places of the questions that are asked at once: as the answerer can, else as they come. */
async function groups(
  answerer: Answerer,
  asked: readonly Asked[],
  condition: Condition,
  most: number,
): Promise<readonly (readonly number[])[]> {
  const asks = asked.map((a) => a.ask);
  if (answerer.batches !== undefined) return answerer.batches(asks, condition, most);
  return Array.from({ length: Math.ceil(asks.length / most) }, (_, i) =>
    Array.from({ length: Math.min(most, asks.length - i * most) }, (__, j) => i * most + j),
  );
}

interface Asked {
  readonly open: Open;
  readonly ask: Ask;
}

/** Decodes the images of what is still to be asked. */
async function asksOf(
  open: readonly Open[],
  answering: AnsweringOptions,
  onError: (error: FastvError) => void,
): Promise<Asked[]> {
  const asks: Asked[] = [];
  for (const one of open) {
    const { sample } = one;
    const candidates =
      answering.choices === 'likelihood' && sample.choices !== null
        ? { candidates: sample.choices.map((_, i) => letter(i)) }
        : {};
    try {
      const images = await sample.images();
      asks.push({
        open: one,
        ask: { images, prompt: sample.prompt, maxTokens: sample.maxTokens, ...candidates },
      });
    } catch (error) {
      if (!(error instanceof FastvError) || error.code !== 'invalid-input') throw error;
      onError(error);
    }
  }
  return asks;
}

/** Answers of a batch; if one question spoils it, they are asked one by one. */
async function answerAll(
  answerer: Answerer,
  asked: readonly Asked[],
  condition: Condition,
  onError: (error: FastvError) => void,
): Promise<{ sample: Sample; answer: Answer }[]> {
  try {
    const answers = await answerer.answer(
      asked.map((a) => a.ask),
      condition,
    );
    return asked.map(({ open }, i) => {
      const answer = answers[i];
      if (answer === undefined)
        throw new Error(`the model gave ${answers.length} answers to ${asked.length} questions`);
      return { sample: open.sample, answer };
    });
  } catch (error) {
    if (!(error instanceof FastvError) || error.code !== 'invalid-input') throw error;
    if (asked.length > 1) {
      const each: { sample: Sample; answer: Answer }[] = [];
      for (const one of asked) each.push(...(await answerAll(answerer, [one], condition, onError)));
      return each;
    }
    const where = asked[0]?.open.sample.where;
    onError(
      new FastvError('invalid-input', error.message, {
        ...(where === undefined ? {} : { where }),
        cause: error,
      }),
    );
    return [];
  }
}

function resultOf(key: string, task: Task, condition: Condition, sample: Sample, answer: Answer): Result {
  const { score, choice } = scoreReply(task.metric, sample, answer);
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
    score,
    answers: sample.answers,
    category: sample.category,
    group: sample.group,
    where: sample.where,
    cost: answer.cost,
  };
}
