/** The samples of a task that a run asks, in windows: so many of them are looked at together, and make up batches. */
import type { RunOptions } from './run-options.js';
import { drawSamples } from './sampling.js';
import { openTask, type OpenTask } from './tasks/open-task.js';
import type { Sample } from './tasks/sample.js';

/**
 * The samples of a task that are asked: those that were drawn where there is a limit, and what is to be said of it.
 * @param from so many are passed over
 */
export async function chosenSamples(
  opened: OpenTask,
  { limit, sampling, data }: Pick<RunOptions, 'limit' | 'sampling' | 'data'>,
  from = 0,
): Promise<{ readonly samples: AsyncIterable<Sample>; readonly note: string | null }> {
  const { task } = opened;
  if (limit === undefined || sampling?.how !== 'random' || task.data.kind === 'scenes')
    return { samples: opened.samples(from), note: null };
  // what is wrong with a row is said when it is read to be asked
  const looked = openTask(task, { ...data, onBadRow: () => undefined });
  try {
    const { ids, of, categories } = await drawSamples(looked.samples(), limit, sampling.seed);
    const evenly = categories > 1 ? `, from ${categories} categories in proportion` : '';
    const note = `${task.name}: ${ids.size} of ${of} samples, drawn by seed ${sampling.seed}${evenly}`;
    return { samples: after(only(opened.samples(), ids), from), note: of <= limit ? null : note };
  } finally {
    await looked.close();
  }
}

async function* only(samples: AsyncIterable<Sample>, ids: ReadonlySet<string>): AsyncGenerator<Sample> {
  let left = ids.size;
  for await (const sample of samples) {
    if (!ids.has(sample.id)) continue;
    yield sample;
    if (--left === 0) return;
  }
}

/** All but the first. */
export async function* after<T>(all: AsyncIterable<T>, count: number): AsyncGenerator<T> {
  let place = 0;
  for await (const one of all) if (place++ >= count) yield one;
}

/** Samples of a task that are looked at together, and the place of the first. */
export interface Window {
  readonly samples: readonly Sample[];
  readonly at: number;
}

/**
 * The task's samples, so many at a time.
 * @param first the place of the first of them
 */
export async function* windows(
  all: AsyncIterable<Sample>,
  limit = Infinity,
  size = 1,
  first = 0,
): AsyncGenerator<Window> {
  let at = first;
  let samples: Sample[] = [];
  for await (const sample of all) {
    samples.push(sample);
    const ends = at + samples.length === limit;
    if (samples.length === size || ends) {
      yield { samples, at };
      at += samples.length;
      samples = [];
    }
    if (ends) return;
  }
  if (samples.length > 0) yield { samples, at };
}
