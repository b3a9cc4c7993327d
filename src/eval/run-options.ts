/** What a run is asked to do, and the check of it. */
import { FastvError } from '../errors.js';
import type { Condition } from './answerer.js';
import type { Progress } from './progress.js';
import type { AnsweringOptions } from './result.js';
import type { Sampling } from './sampling.js';
import { checkShard, type Shard } from './shard.js';
import type { OpenOptions } from './tasks/open-task.js';
import type { Task } from './tasks/task.js';

export interface RunOptions {
  /** A folder; `results.jsonl` and `summary.json` are written into it. */
  readonly out: string;
  readonly tasks: readonly Task[];
  readonly conditions: readonly Condition[];
  /** Samples of each task at most; scenes, which have no end, need one. */
  readonly limit?: number;
  /** Which samples a limit leaves of a dataset that has an end; default: the first. */
  readonly sampling?: Sampling;
  /** A part of the run, of so many that together are the whole. */
  readonly shard?: Shard;
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

/** @throws {FastvError} `invalid-option` naming the option */
export function checkRun({ tasks, conditions, limit, shard, batch = 1 }: RunOptions): void {
  const invalid = (message: string, where: string): FastvError =>
    new FastvError('invalid-option', message, { where });
  if (tasks.length === 0) throw invalid('there is no task to run', '--tasks');
  if (conditions.length === 0) throw invalid('there is nothing to run under', 'conditions');
  const names = new Set(conditions.map((c) => c.name));
  if (names.size !== conditions.length) throw invalid('two conditions have one name', [...names].join(', '));
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1))
    throw invalid('1 or more is needed', '--limit');
  if (shard !== undefined) checkShard(shard);
  if (!Number.isInteger(batch) || batch < 1) throw invalid('1 or more is needed', '--batch');
  for (const { name, pruning, imageScale, imageSize = 1 } of conditions) {
    if (pruning !== null && !(pruning.ratio >= 0 && pruning.ratio <= 1))
      throw invalid('R must be in [0, 1]', name);
    if (pruning !== null && (!Number.isInteger(pruning.layer) || pruning.layer < 0)) {
      throw invalid('K must be a whole number, 0 or more', name);
    }
    const target = pruning?.tokens ?? { keep: 0 };
    const counts = 'mass' in target || 'sameAs' in target ? [] : Object.values<number>(target);
    if (counts.some((count) => !Number.isInteger(count) || count < 0))
      throw invalid('a number of tokens must be whole, 0 or more', name);
    if ('mass' in target && !(target.mass >= 0 && target.mass <= 1))
      throw invalid('a share of the attention must be in [0, 1]', name);
    if ('mass' in target && pruning?.layer === 0)
      throw invalid('before layer 0 there is no attention to go by', name);
    if (!Number.isInteger(imageSize) || imageSize < 1)
      throw invalid('the side of an image must be a whole number of pixels', name);
    if (!(imageScale > 0 && imageScale <= 1)) throw invalid('images can be scaled down only', name);
  }
  const endless = limit === undefined ? tasks.find((t) => t.data.kind === 'scenes') : undefined;
  if (endless !== undefined) throw invalid(`${endless.name} has no end, so a limit is needed`, '--limit');
}
