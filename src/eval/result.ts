/** One line of results: what was asked, what was said, what it is worth and what it cost. */
import { createHash } from 'node:crypto';
import { seenAs, type AnswerCost, type AnswererIdentity, type Condition } from './answerer.js';
import { version } from '../version.js';
import { findMetric } from './metrics/index.js';
import type { Sample } from './tasks/sample.js';
import type { Task } from './tasks/task.js';

export interface Result {
  /** Identifies model, options, condition, task and sample: no key is computed twice. */
  readonly key: string;
  readonly condition: string;
  readonly task: string;
  readonly sample: string;
  readonly prompt: string;
  readonly prediction: string;
  /** The choice taken, where there were choices. */
  readonly choice: number | null;
  /** How many choices there were; null for an open question. */
  readonly options: number | null;
  /** In [0, 1]; null where only a corpus can be scored. */
  readonly score: number | null;
  readonly answers: readonly string[];
  readonly category: string | null;
  readonly group: string | null;
  /** File and row that the sample is from. */
  readonly where: string;
  /** A hash of its images: questions about one image are not independent of each other. */
  readonly image?: string;
  /** Its place among the samples that the task is run on, from 0. */
  readonly place?: number;
  readonly cost: AnswerCost;
}

/** What a result's question is called in a run: the same under every condition. */
export function sampleName({ task, sample }: Pick<Result, 'task' | 'sample'>): string {
  return `${task}\n${sample}`;
}

/** Options of a run that change answers, other than the condition. */
export interface AnsweringOptions {
  /** Choices by the letter in the reply, or by the log-likelihood of each letter. */
  readonly choices: 'letter' | 'likelihood';
}

/**
 * The part of the key that all samples of a task under a condition share: everything that can change an answer, so that
 * a run that is gone on with after an upgrade does not mix answers of two programs.
 * @param revision of the dataset, where it is known
 */
export function keyPrefix(
  identity: AnswererIdentity,
  options: AnsweringOptions,
  condition: Condition,
  task: Task,
  revision?: string,
): string {
  const { model, options: settings, versions } = identity;
  // the condition's name is for people; what it does is what counts
  const asked = { ...task, metric: findMetric(task.metric).name };
  const program = { fastv: version, ...versions };
  return hash([model, settings, program, options, condition.pruning, seenAs(condition), asked, revision]);
}

/** What {@link Result.image} is. */
export function imageOf(images: readonly { readonly key: string }[]): string {
  return hash(images.map(({ key }) => key)).slice(0, 16);
}

/** The key of one sample. */
export function resultKey(prefix: string, sample: Sample): string {
  return hash([prefix, sample.id, sample.prompt]).slice(0, 32);
}

function hash(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

/** JSON with sorted keys: equal values have equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  const parts = entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`);
  return `{${parts.join(',')}}`;
}
