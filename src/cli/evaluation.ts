/** What the commands that evaluate have in common: tasks, data, limits, the model. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { progressLine } from '../eval/progress.js';
import type { Answerer } from '../eval/answerer.js';
import { evaluate, type Run, type RunOptions } from '../eval/runner.js';
import { findTasks } from '../eval/tasks/index.js';
import type { Task } from '../eval/tasks/task.js';
import { FastvError } from '../errors.js';
import { readText } from '../files/read.js';
import { openAnswerer } from './answerer.js';
import { datasetOptions } from './dataset-options.js';
import type { EvalFlags } from './options/evaluation.js';
import { Interrupted } from './interrupt.js';
import { prepareOutputFolder } from './output-path.js';
import { refuseIdle } from './parse/idle.js';
import { ownMetrics } from './own-metrics.js';
import { HOW } from './scene-notice.js';
import type { Terminal } from './terminal.js';

/** A task is a page of JSON. */
const MAX_TASK_FILE = 2 ** 20;

/** The tasks that the flags name. */
export async function tasksOf(
  flags: Pick<EvalFlags, 'tasks' | 'taskFile' | 'metricModule'>,
  otherwise: readonly string[] = [],
): Promise<readonly Task[]> {
  const metrics = await ownMetrics(flags.metricModule);
  const own: Task[] = [];
  for (const file of flags.taskFile ?? []) {
    const { parseTask } = await import('../eval/tasks/parse-task.js');
    own.push(parseTask(await readText(file, MAX_TASK_FILE), file, metrics));
  }
  const names = flags.tasks ?? (own.length > 0 ? own.map((t) => t.name) : otherwise);
  if (names.length === 0) {
    throw new FastvError('invalid-option', 'there is no task to run', {
      where: '--tasks',
      hint: 'for example --tasks scenes',
    });
  }
  return findTasks(names, own);
}

/** Options of datasets, which scenes have nothing to do with. */
const DATASET_OPTIONS = ['--data', '--images', '--revision', '--sample', '--sample-seed'];

/** Flags that say something of some tasks only. */
type TaskFlags = Pick<EvalFlags, 'allowNetwork'> & Partial<Pick<EvalFlags, 'sample'>>;

/**
 * Refuses options that say nothing of these tasks.
 * @param command knows which were given; those that it does not have are passed over
 * @param limit samples of each task at most; undefined: all
 * @throws {FastvError} `invalid-option`
 */
export function refuseIdleForTasks(
  command: Command,
  { allowNetwork, sample }: TaskFlags,
  tasks: readonly Task[],
  limit: number | undefined,
): void {
  const idle = (option: string, why: string, hint: string): void => {
    refuseIdle(command, option, why, hint);
  };
  if (tasks.every(({ data }) => data.kind === 'scenes')) {
    for (const option of DATASET_OPTIONS)
      idle(option, 'scenes are drawn, and read from no dataset', 'leave it out, or give other --tasks');
  }
  if (limit === undefined) {
    for (const option of ['--sample', '--sample-seed']) idle(option, 'every sample is asked', 'add --limit');
  }
  if (sample === 'first')
    idle('--sample-seed', 'the first rows are taken, and none are drawn', 'add --sample random');
  if (allowNetwork !== true)
    idle('--revision', 'it is of datasets on the hub, which is not asked', 'add --allow-network');
  if (tasks.every(({ choices }) => choices === undefined))
    idle('--choices', 'none of these tasks has choices', 'leave it out, or give other --tasks');
}

/** What the user is told where the bundled model is asked about anything else than scenes. */
export function noteOnTasks(
  model: string | undefined,
  tasks: readonly Task[],
  terminal: Terminal,
): string | undefined {
  const strange = tasks.find(({ data }) => data.kind !== 'scenes');
  if (model !== undefined || strange === undefined) return undefined;
  const notice = `the bundled model knows synthetic scenes only, not ${strange.name}; a real one: ${HOW}`;
  terminal.warn(notice);
  return notice;
}

/** The run's options as the flags say; Ctrl-C ends the run after the question at hand. */
export function runOptions(
  flags: EvalFlags,
  tasks: readonly Task[],
  terminal: Terminal,
  limit = flags.limit,
): Omit<RunOptions, 'conditions'> {
  const signal = terminal.interrupts.inGoodOrder(
    'ending after this question; the same command goes on later',
  );
  const notice = noteOnTasks(flags.model, tasks, terminal);
  let found = 0;
  return {
    out: flags.output,
    tasks,
    ...(limit === undefined ? {} : { limit }),
    sampling: { how: flags.sample, seed: flags.sampleSeed },
    ...(flags.shard === undefined ? {} : { shard: flags.shard }),
    batch: flags.batch,
    choices: flags.choices,
    onError: flags.onError,
    seed: flags.bootstrapSeed,
    signal,
    progress: progressLine(terminal.progress, () => found),
    onFound: (count) => void (found = count),
    data: datasetOptions(flags),
    about: {
      command: `fastv ${process.argv.slice(2).join(' ')}`,
      parallelism: availableParallelism(),
      ...(notice === undefined ? {} : { notice }),
    },
  };
}

/** What a run that was interrupted ends with, after it has printed what there is. */
export function endedEarly(): Interrupted {
  return new Interrupted('ended before it was through', { hint: 'the same command goes on where it was' });
}

/** Called with the model that is open, before it is asked. */
export type BeforeRun = (answerer: Answerer, options: RunOptions) => Promise<void>;

/** Runs an evaluation where the flags say: here, or on the workers of a queue. */
export async function evaluateAsFlagged(
  flags: EvalFlags,
  options: RunOptions,
  before?: BeforeRun,
): Promise<Run> {
  const { queue: url, model, dtype, device } = flags;
  if (url === undefined) {
    const answerer = await openModel(flags);
    try {
      await before?.(answerer, options);
      return await evaluate(answerer, options);
    } finally {
      await answerer.close?.();
    }
  }
  await prepareOutputFolder(flags.output);
  const { evaluateOnQueue } = await import('../eval/queue/coordinator.js');
  return evaluateOnQueue(options, {
    url,
    model: {
      ...(model === undefined ? {} : { model }),
      ...(dtype === undefined ? {} : { dtype }),
      ...(device === undefined ? {} : { device }),
    },
  });
}

/** The model that the flags mean, if its results can be kept. */
export async function openModel(flags: EvalFlags): Promise<Answerer> {
  await prepareOutputFolder(flags.output);
  if (flags.answerCache === undefined) return openAnswerer(flags);
  const { cachedAnswerer, openAnswerCache } = await import('../eval/answer-cache.js');
  const cache = await openAnswerCache(flags.answerCache);
  try {
    return cachedAnswerer(await openAnswerer(flags), cache);
  } catch (error) {
    cache.close();
    throw error;
  }
}
