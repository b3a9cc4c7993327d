/** Options that `fastv eval` and `fastv sweep` have in common: tasks, data, limits, the model. */
import { Option, type Command } from 'commander';
import type { Shard } from '../../eval/shard.js';
import { listOf } from '../parse/list.js';
import { wholeNumber } from '../parse/number.js';
import { shard } from '../parse/shard.js';
import {
  addOptions,
  addOutputOptions,
  dataOptions,
  deviceOption,
  dtypeOption,
  modelOption,
  metricModuleOption,
  networkOption,
  addOutput,
  taskFileOption,
  tasksOption,
  threadsOption,
} from './option.js';

/** The flags of {@link addEvalOptions}. */
export interface EvalFlags {
  readonly model?: string;
  readonly tasks?: readonly string[];
  readonly taskFile?: readonly string[];
  readonly metricModule?: readonly string[];
  readonly output: string;
  readonly data?: readonly string[];
  readonly images?: string;
  readonly limit?: number;
  readonly sample: 'random' | 'first';
  readonly sampleSeed: number;
  readonly shard?: Shard;
  readonly imageSizes?: readonly number[];
  readonly queue?: string;
  readonly answerCache?: string;
  readonly batch: number;
  readonly choices: 'letter' | 'likelihood';
  readonly onError: 'stop' | 'skip';
  readonly bootstrapSeed: number;
  readonly revision?: string;
  readonly dtype?: string;
  readonly device?: string;
  readonly threads?: number;
  readonly allowNetwork?: boolean;
  /** What else decides answers, for records: no flag of its own. */
  readonly records?: Readonly<Record<string, string>>;
}

/** Adds the options of both commands. */
export function addEvalOptions(command: Command): Command {
  addOptions(command, [
    modelOption(),
    tasksOption('tasks and groups, with commas between'),
    taskFileOption(),
    metricModuleOption(),
    ...dataOptions(),
    new Option('--limit <n>', 'samples of each task at most').argParser(wholeNumber('--limit', 1)),
    new Option('--sample <how>', 'which samples --limit leaves: drawn by a seed, or the first rows')
      .choices(['random', 'first'])
      .default('random'),
    new Option('--sample-seed <n>', 'seed of that draw').argParser(wholeNumber('--sample-seed')).default(0),
    new Option(
      '--image-sizes <pixels>',
      'sides at which images are seen, the first to compare with; the model must take them',
    ).argParser(listOf('--image-sizes', 'pixels', wholeNumber('--image-sizes', 8))),
    new Option('--shard <i/n>', 'part i, from 0, of n that together are the run (fastv merge)').argParser(
      shard('--shard'),
    ),
    new Option(
      '--queue <url>',
      'let the workers of this queue answer: redis://host:port (fastv worker)',
    ).conflicts('shard'),
    new Option(
      '--answer-cache <file>',
      'a file that keeps answers across runs: what was asked before is not asked again (SQLite)',
    ).conflicts('queue'),
    new Option('--batch <n>', 'questions handed to the model at once')
      .argParser(wholeNumber('--batch', 1))
      .default(1),
    new Option(
      '--choices <how>',
      'multiple choice by the letter in the reply, or by the likelihood of each letter',
    )
      .choices(['letter', 'likelihood'])
      .default('letter'),
    new Option('--on-error <what>', 'at a sample that cannot be used: stop, or skip it and count it')
      .choices(['stop', 'skip'])
      .default('stop'),
    new Option('--bootstrap-seed <n>', 'seed of the confidence intervals')
      .argParser(wholeNumber('--bootstrap-seed'))
      .default(0),
    new Option('--revision <name>', "a dataset's revision on the hub"),
    dtypeOption(),
    deviceOption(),
    threadsOption().conflicts('queue'),
    networkOption('models and datasets'),
  ]);
  addOutput(command, {
    placeholder: 'folder',
    about: 'where results go; a run that was ended goes on there',
  });
  return addOutputOptions(command);
}
