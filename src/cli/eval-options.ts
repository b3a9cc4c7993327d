/** What `fastv eval` and `fastv sweep` have in common: tasks, data, limits, the model. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { env } from '@huggingface/transformers';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { progressLine } from '../eval/progress.js';
import type { RunOptions } from '../eval/runner.js';
import { findTasks } from '../eval/tasks/index.js';
import { parseTask } from '../eval/tasks/parse-task.js';
import type { Task } from '../eval/tasks/task.js';
import { openTransformersAnswerer } from '../eval/transformers-answerer.js';
import { FastvError } from '../errors.js';
import { embeddedModel } from '../runtime/embedded.js';
import { warningsOn } from './model.js';
import { natural, positive } from './options.js';

export interface EvalFlags {
  readonly model?: string;
  readonly tasks?: readonly string[];
  readonly taskFile?: readonly string[];
  readonly out: string;
  readonly data?: readonly string[];
  readonly images?: string;
  readonly limit?: number;
  readonly batch: number;
  readonly choices: 'letter' | 'likelihood';
  readonly onError: 'stop' | 'skip';
  readonly bootstrapSeed: number;
  readonly revision?: string;
  readonly dtype?: string;
  readonly device?: string;
  readonly allowNetwork?: boolean;
  readonly json?: boolean;
}

/** Adds the options of both commands. */
export function addEvalOptions(command: Command): Command {
  return command
    .option(
      '--model <name|path>',
      'a name on the Hugging Face hub, or a folder (default: the embedded model)',
    )
    .option('--tasks <names>', 'tasks and groups, with commas between', commas)
    .option('--task-file <files...>', 'tasks of your own, as JSON')
    .requiredOption('--out <folder>', 'where results go; a run that was ended goes on there')
    .option('--data <folders...>', 'folders with datasets, as <owner>/<name> or by themselves')
    .option('--images <folder>', 'where paths of images and names of videos begin')
    .option('--limit <n>', 'samples of each task at most', positive)
    .option('--batch <n>', 'questions handed to the model at once', positive, 1)
    .addOption(
      new Option(
        '--choices <how>',
        'multiple choice by the letter in the reply, or by the likelihood of each letter',
      )
        .choices(['letter', 'likelihood'])
        .default('letter'),
    )
    .addOption(
      new Option('--on-error <what>', 'at a sample that cannot be used: stop, or skip it and count it')
        .choices(['stop', 'skip'])
        .default('stop'),
    )
    .option('--bootstrap-seed <n>', 'seed of the confidence intervals', natural, 0)
    .option('--revision <name>', "a dataset's revision on the hub")
    .option('--dtype <dtype>', 'fp32, fp16, q8, q4, … as the model has them')
    .option('--device <device>', 'cpu, webgpu, cuda, … (default: cpu)')
    .option('--allow-network', 'let models and datasets be fetched')
    .option('--json', 'print the summary as JSON');
}

/** Texts with commas between. */
export function commas(value: string): string[] {
  const parts = value.split(',').map((part) => part.trim());
  if (parts.some((part) => part === ''))
    throw new InvalidArgumentError('names with commas between are needed');
  return parts;
}

/** Numbers with commas between. */
export function numbers(value: string): number[] {
  return commas(value).map((part) => {
    const n = Number(part);
    if (!Number.isFinite(n)) throw new InvalidArgumentError('numbers with commas between are needed');
    return n;
  });
}

/** The tasks that the flags name. */
export async function tasksOf(
  flags: Pick<EvalFlags, 'tasks' | 'taskFile'>,
  otherwise: readonly string[] = [],
): Promise<readonly Task[]> {
  const own: Task[] = [];
  for (const file of flags.taskFile ?? []) own.push(parseTask(await readFile(file, 'utf8'), file));
  const names = flags.tasks ?? (own.length > 0 ? own.map((t) => t.name) : otherwise);
  if (names.length === 0) {
    throw new FastvError('invalid-option', 'there is no task to run', {
      where: '--tasks',
      hint: 'for example --tasks scenes',
    });
  }
  return findTasks(names, own);
}

/** The run's options as the flags say; Ctrl-C ends the run after the question at hand. */
export function runOptions(
  flags: EvalFlags,
  tasks: readonly Task[],
  limit = flags.limit,
): { options: Omit<RunOptions, 'conditions'>; end: () => void } {
  const stop = new AbortController();
  const interrupt = (): void => {
    if (stop.signal.aborted) process.exit(130);
    process.stderr.write(
      '\nending after this question; the same command goes on later (Ctrl-C again: at once)\n',
    );
    stop.abort();
  };
  process.on('SIGINT', interrupt);
  let found = 0;
  const token = process.env['HF_TOKEN'];
  return {
    end: () => void process.off('SIGINT', interrupt),
    options: {
      out: flags.out,
      tasks,
      ...(limit === undefined ? {} : { limit }),
      batch: flags.batch,
      choices: flags.choices,
      onError: flags.onError,
      seed: flags.bootstrapSeed,
      signal: stop.signal,
      progress: progressLine(process.stderr, () => found),
      onFound: (count) => void (found = count),
      data: {
        ...(flags.data === undefined ? {} : { folders: flags.data }),
        ...(flags.images === undefined ? {} : { imageFolder: flags.images }),
        ...(flags.revision === undefined ? {} : { revision: flags.revision }),
        ...(token === undefined || token === '' ? {} : { headers: { authorization: `Bearer ${token}` } }),
        allowNetwork: flags.allowNetwork === true,
      },
      about: { command: `fastv ${process.argv.slice(2).join(' ')}`, parallelism: availableParallelism() },
    },
  };
}

/** What a run that was interrupted ends with, after it has printed what there is. */
export function endedEarly(): FastvError {
  return new FastvError('io', 'ended before it was through', {
    hint: 'the same command goes on where it was',
  });
}

/** The model that the flags mean. */
export async function openModel(flags: EvalFlags): ReturnType<typeof openTransformersAnswerer> {
  env.allowRemoteModels = flags.allowNetwork === true;
  const model = flags.model ?? embeddedModel();
  try {
    return await openTransformersAnswerer({
      model,
      name: flags.model ?? 'scenes-llava (embedded)',
      // the embedded model's folder belongs to the installation; its rewrite takes no time
      cache: flags.model !== undefined,
      onWarning: warningsOn(process.stderr, flags),
      ...(flags.dtype === undefined ? {} : { dtype: flags.dtype }),
      ...(flags.device === undefined ? {} : { device: flags.device }),
    });
  } catch (cause) {
    if (cause instanceof FastvError) throw cause;
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
    throw new FastvError('io', `the model cannot be loaded: ${reason}`, {
      where: model,
      hint: 'check the path; a model of the hub that is not in the cache yet needs --allow-network',
      cause,
    });
  }
}
