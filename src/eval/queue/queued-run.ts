/**
 * What a queue holds of a run: once what is asked (in Redis, by a hash of it), and one job a chunk of its windows. A chunk is
 * named by its content, so the same chunk is never there twice, whoever adds it, and however often.
 */
import { createHash } from 'node:crypto';
import { FastvError } from '../../errors.js';
import { version } from '../../version.js';
import type { AnswererIdentity, Condition } from '../answerer.js';
import type { DatasetRevision } from '../datasets/revision.js';
import type { AnsweringOptions, Result } from '../result.js';
import type { RunOptions } from '../run-options.js';
import type { Sampling } from '../sampling.js';
import type { Summary } from '../summary.js';
import type { Task } from '../tasks/task.js';

/** The queue of BullMQ that all runs share. */
export const QUEUE = 'fastv-eval';

/** Which model the workers open. */
export interface QueuedModel {
  /** A name on the hub, a folder on the workers, `simulated:…`; absent: the bundled one. */
  readonly model?: string;
  readonly dtype?: string;
  readonly device?: string;
}

/** What is asked, as JSON. */
export interface QueuedRun {
  readonly fastv: string;
  readonly model: QueuedModel;
  readonly tasks: readonly Task[];
  readonly conditions: readonly Condition[];
  readonly choices: AnsweringOptions['choices'];
  readonly batch: number;
  readonly onError: 'stop' | 'skip';
  readonly limit?: number;
  readonly sampling?: Sampling;
  /** Folders and revision of datasets; a worker may have its own folders. */
  readonly data: {
    readonly folders?: readonly string[];
    readonly imageFolder?: string;
    readonly revision?: string;
  };
}

/** Windows of a task, from … to before. */
export interface Chunk {
  readonly run: string;
  readonly task: string;
  readonly from: number;
  readonly to: number;
}

/** Requests of a batch (`fastv batch`), of which nothing is known here: the worker's process answers them. */
export interface QueuedBatch {
  /** Which model, and how it prunes: flags by their names. */
  readonly model: Readonly<Record<string, unknown>>;
  readonly requests: readonly unknown[];
}

/** What a job holds. */
export type QueuedWork = Chunk | { readonly batch: QueuedBatch };

/** How often a job is tried before it is given up. */
export const ATTEMPTS = 4;

/** What came of a chunk. */
export interface ChunkResult {
  readonly results: readonly Result[];
  readonly skipped: Summary['skipped'];
  readonly identity: AnswererIdentity;
  readonly dataset?: DatasetRevision;
}

/**
 * A run as the queue holds it.
 * @throws {FastvError} `invalid-option` for a task whose metric is a function of the caller's
 */
export function queuedRun(options: Omit<RunOptions, 'out'>, model: QueuedModel): QueuedRun {
  const own = options.tasks.find(({ metric }) => typeof metric !== 'string');
  if (own !== undefined) {
    throw new FastvError('invalid-option', 'a metric of your own cannot be sent to other machines', {
      where: own.name,
      hint: 'use --shard and fastv merge',
    });
  }
  const {
    tasks,
    conditions,
    choices = 'letter',
    batch = 1,
    onError = 'stop',
    limit,
    sampling,
    data,
  } = options;
  return {
    ...{ fastv: version, model, tasks, conditions, choices, batch, onError },
    ...(limit === undefined ? {} : { limit }),
    ...(sampling === undefined ? {} : { sampling }),
    data: {
      ...(data?.folders === undefined ? {} : { folders: data.folders }),
      ...(data?.imageFolder === undefined ? {} : { imageFolder: data.imageFolder }),
      ...(data?.revision === undefined ? {} : { revision: data.revision }),
    },
  };
}

/** A run's name. */
export function runId(run: QueuedRun): string {
  return createHash('sha256').update(JSON.stringify(run)).digest('hex').slice(0, 24);
}

/** Where a run lies in Redis. */
export function runKey(id: string): string {
  return `${QUEUE}:run:${id}`;
}

/** A chunk's name. */
export function chunkId({ run, task, from, to }: Chunk): string {
  return createHash('sha256')
    .update(JSON.stringify([run, task, from, to]))
    .digest('hex')
    .slice(0, 32);
}
