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
import type { AnsweringOptions } from './result.js';
import { ResultTable } from './results/table.js';
import type { Shard } from './shard.js';
import { summarize, type Summary } from './summary.js';
import { addResults, resultsFile } from './sweep.js';

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
  const results = new ResultTable(parts.map(({ folder }) => resultsFile(folder)));
  for (const [file, { folder, summary }] of parts.entries()) await addResults(results, file, folder, summary);
  const summary = summaryOf(first.summary, parts, results);
  await makeFolder(out);
  await writeInRunOrder(out, results, first.summary, first.shard.window);
  await writeAtomically(join(out, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`, { own: true });
  return summary;
}

/**
 * Writes results as a run that nobody ended writes them, whatever files they lie in: task by task, window by window, condition by
 * condition.
 * @param window samples that are looked at together
 */
export async function writeInRunOrder(
  folder: string,
  results: ResultTable,
  run: Pick<Summary, 'tasks' | 'conditions'>,
  window: number,
): Promise<void> {
  const lines = blocks(results.lines(rowsInRunOrder(results, run, window)));
  await writeAtomically(resultsFile(folder), lines, { own: true });
}

/** Bytes that are written at once. */
const BLOCK = 2 ** 20;

function* blocks(lines: Iterable<Buffer>): Generator<Buffer> {
  let block: Buffer[] = [];
  let size = 0;
  for (const line of lines) {
    block.push(line);
    size += line.length;
    if (size < BLOCK) continue;
    yield Buffer.concat(block);
    [block, size] = [[], 0];
  }
  yield Buffer.concat(block);
}

function* rowsInRunOrder(
  table: ResultTable,
  { tasks, conditions }: Pick<Summary, 'tasks' | 'conditions'>,
  window: number,
): Generator<number> {
  for (const task of tasks) {
    // whatever has no place is the first
    const windowOf = (row: number | undefined): number =>
      row === undefined ? Infinity : Math.floor((table.place(row) || 0) / window);
    const each = conditions.map(({ name }) => ({
      rows: [...table.of(task.name, name).rows].sort((a, b) => (table.place(a) || 0) - (table.place(b) || 0)),
      next: 0,
    }));
    for (;;) {
      const current = Math.min(...each.map(({ rows, next }) => windowOf(rows[next])));
      if (current === Infinity) break;
      for (const one of each)
        for (let row = one.rows[one.next]; windowOf(row) === current; row = one.rows[++one.next])
          if (row !== undefined) yield row;
    }
  }
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

function summaryOf(of: Summary, parts: readonly Part[], results: ResultTable): Summary {
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
