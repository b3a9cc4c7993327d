/**
 * The parts of a run (`--shard i/n`) put together: results in the order in which one machine would have written them, and the
 * summary that it would have made.
 */
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { writeAtomically } from '../files/atomic.js';
import { makeFolder } from '../files/make-folder.js';
import { readSummary } from './compare-runs.js';
import { readingRuns } from './foreign-run.js';
import { eachLine } from './files.js';
import type { AnsweringOptions, Result } from './result.js';
import type { Shard } from './shard.js';
import { SharedTexts } from './shared-texts.js';
import { summarize, type Summary } from './summary.js';

/** A part, as its summary says. */
interface Part {
  readonly folder: string;
  readonly summary: Summary;
  readonly shard: Shard & { readonly window: number };
}

/**
 * Merges the parts of a run.
 * @param folders of all parts, in any order
 * @param out the folder to write `results.jsonl` and `summary.json` into
 * @throws FastvError `invalid-input` for parts that are missing, twice there, not through, or of different runs
 */
export function mergeRuns(folders: readonly string[], out: string): Promise<Summary> {
  return readingRuns(folders, () => merged(folders, out));
}

async function merged(folders: readonly string[], out: string): Promise<Summary> {
  const parts: Part[] = [];
  for (const folder of folders) parts.push(await readPart(folder));
  const first = checked(parts);
  const known = new Map<string, Result>();
  const texts = new SharedTexts();
  for (const { folder } of parts) {
    await eachLine(join(folder, 'results.jsonl'), (value) => {
      const result = texts.share(value as Result);
      known.set(result.key, result);
    });
  }
  const results = inRunOrder([...known.values()], first.summary, first.shard.window);
  const summary = summaryOf(first.summary, parts, results);
  await makeFolder(out);
  await writeAtomically(join(out, 'results.jsonl'), linesOf(results), { own: true });
  await writeAtomically(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`, { own: true });
  return summary;
}

/** Results as the lines of their file. */
export function* linesOf(results: readonly Result[]): Generator<string> {
  for (const result of results) yield `${JSON.stringify(result)}\n`;
}

/**
 * Results as a run that nobody ended writes them: task by task, window by window, condition by condition.
 * @param window samples that are looked at together
 */
export function inRunOrder(
  results: readonly Result[],
  { tasks, conditions }: Pick<Summary, 'tasks' | 'conditions'>,
  window: number,
): Result[] {
  const task = new Map(tasks.map(({ name }, place) => [name, place]));
  const condition = new Map(conditions.map(({ name }, place) => [name, place]));
  const ours = results.filter((r) => task.has(r.task) && condition.has(r.condition));
  const order = (r: Result): readonly number[] => {
    const place = r.place ?? 0;
    return [task.get(r.task) ?? 0, Math.floor(place / window), condition.get(r.condition) ?? 0, place];
  };
  const placed = ours.map((result) => ({ result, at: order(result) }));
  placed.sort((a, b) => {
    const differs = a.at.findIndex((value, i) => value !== b.at[i]);
    return differs === -1 ? 0 : (a.at[differs] ?? 0) - (b.at[differs] ?? 0);
  });
  return placed.map(({ result }) => result);
}

async function readPart(folder: string): Promise<Part> {
  const where = join(folder, 'summary.json');
  const summary = await readSummary(folder);
  const shard = summary.options['shard'] as Part['shard'] | undefined;
  if (shard === undefined) {
    throw new FastvError('invalid-input', 'this is a whole run, not a part of one', {
      where,
      hint: 'parts are made by --shard i/n',
    });
  }
  if (!summary.complete) {
    throw new FastvError('invalid-input', `part ${shard.index}/${shard.count} has not ended yet`, {
      where,
      hint: 'run its command again: it goes on where it was',
    });
  }
  return { folder, summary, shard };
}

/** The first part. @throws FastvError unless the parts are those of one run */
function checked(parts: readonly Part[]): Part {
  const [first] = [...parts].sort((a, b) => a.shard.index - b.shard.index);
  if (first === undefined) throw new FastvError('invalid-option', 'there is nothing to merge');
  const asked = (part: Part): string => {
    const { model, versions, conditions, tasks, datasets, options, seed } = part.summary;
    const shard = { ...part.shard, index: 0 };
    return JSON.stringify([model, versions, conditions, tasks, datasets, { ...options, shard }, seed]);
  };
  const stranger = parts.find((part) => asked(part) !== asked(first));
  if (stranger !== undefined) {
    throw new FastvError('invalid-input', 'these are parts of different runs', {
      where: `${first.folder}, ${stranger.folder}`,
      hint: 'model, versions, tasks, datasets, conditions and options must be the same',
    });
  }
  const { count } = first.shard;
  for (let index = 0; index < count; index++) {
    const own = parts.filter(({ shard }) => shard.index === index);
    if (own.length === 1) continue;
    throw new FastvError(
      'invalid-input',
      own.length === 0 ? `part ${index}/${count} is missing` : `part ${index}/${count} is there twice`,
      { where: own.map(({ folder }) => folder).join(', ') },
    );
  }
  return first;
}

function summaryOf(of: Summary, parts: readonly Part[], results: readonly Result[]): Summary {
  const { choices, limit, sampling, ...options } = without(of.options, 'shard');
  const versions = without(of.versions, 'fastv', 'node');
  // each part's command names its own part and folder
  const about = without(of.about, 'command');
  const skipped = parts.map(({ summary }) => summary.skipped);
  const [processorClass, ...others] = new Set(parts.map(({ summary }) => summary.hardware['processorClass']));
  return summarize({
    identity: { model: of.model, options: options as Record<string, string | number | boolean>, versions },
    answering: { choices } as AnsweringOptions,
    tasks: of.tasks,
    conditions: of.conditions,
    results,
    skipped: {
      count: skipped.reduce((sum, { count }) => sum + count, 0),
      first: skipped.flatMap(({ first }) => first).slice(0, 20),
    },
    notes: of.notes,
    datasets: of.datasets ?? {},
    complete: true,
    seed: of.seed,
    limit: limit as number | null,
    ...(sampling === undefined
      ? {}
      : { sampling: sampling as NonNullable<Parameters<typeof summarize>[0]['sampling']> }),
    about,
    // of parts that several kinds of processor answered nothing is said
    ...(typeof processorClass !== 'string' || others.length > 0 ? {} : { processorClass }),
  });
}

function without<T>(record: Readonly<Record<string, T>>, ...names: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}
