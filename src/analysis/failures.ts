/** The failure gallery: samples that the unpruned model gets right and a pruned one wrong, with their images. */
import sharp from 'sharp';
import { FastvError } from '../errors.js';
import type { Picture } from '../eval/datasets/picture.js';
import { commonPlaces } from '../eval/paired.js';
import type { Result } from '../eval/result.js';
import type { ResultTable } from '../eval/results/table.js';
import { openTask, type OpenOptions } from '../eval/tasks/open-task.js';
import type { Task } from '../eval/tasks/task.js';

/** Samples of a task that are read for the images of a few. */
const MOST_READ = 20_000;

export interface Failure {
  readonly unpruned: Result;
  readonly pruned: Result;
}

export interface ShownFailure extends Failure {
  /** PNGs, at most four. */
  readonly images: readonly Buffer[];
}

/**
 * Failures of one condition, a few of each task.
 * @param perTask at most so many of a task
 */
export function findFailures(
  results: ResultTable,
  tasks: readonly string[],
  condition: string,
  base = 'unpruned',
  perTask = 3,
): readonly Failure[] {
  const pairs = tasks.flatMap((task) => {
    const [pruned, unpruned] = [results.of(task, condition), results.of(task, base)];
    const [own, its] = commonPlaces(pruned.names, unpruned.names);
    const both = Array.from(own, (place, i): [number, number] => [
      pruned.rows[place] ?? -1,
      unpruned.rows[its[i] ?? -1] ?? -1,
    ]);
    const failed = both.filter(([row, other]) => results.score(row) === 0 && results.score(other) === 1);
    return firstOf(results, failed, perTask, ([row]) => row);
  });
  const [pruned, unpruned] = [0, 1].map((side) => results.read(pairs.map((pair) => pair[side] ?? -1)));
  return (pruned ?? []).flatMap((one, i) => {
    const other = unpruned?.[i];
    return other === undefined ? [] : [{ pruned: one, unpruned: other }];
  });
}

/** The first in the order in which samples are asked. */
export function firstOf<T>(
  results: ResultTable,
  all: readonly T[],
  count: number,
  rowOf: (one: T) => number,
): T[] {
  const placeOf = (one: T): number => results.place(rowOf(one)) || 0;
  return [...all].sort((a, b) => placeOf(a) - placeOf(b)).slice(0, count);
}

/**
 * Fetches the failures' images, reading each task up to its last one. They are an ornament: where a dataset is not at hand,
 * as after a run that was streamed from the hub, the failures are shown without.
 */
export async function withImages(
  failures: readonly Failure[],
  tasks: readonly Task[],
  options: OpenOptions = {},
): Promise<readonly ShownFailure[]> {
  const images = new Map<string, readonly Buffer[]>();
  for (const task of tasks) {
    const wanted = new Set(failures.filter((f) => f.pruned.task === task.name).map((f) => f.pruned.sample));
    if (wanted.size === 0) continue;
    const opened = openTask(task, { ...options, onBadRow: () => undefined });
    try {
      let read = 0;
      for await (const sample of opened.samples()) {
        // scenes have no end, and a sample that a stranger's run names may be none of them
        if (++read > MOST_READ) break;
        if (!wanted.delete(sample.id)) continue;
        const pictures = await sample.images();
        images.set(`${task.name}\n${sample.id}`, await Promise.all(pictures.slice(0, 4).map(thumbnail)));
        if (wanted.size === 0) break;
      }
    } catch (error) {
      if (!(error instanceof FastvError)) throw error;
    } finally {
      await opened.close();
    }
  }
  return failures.map((f) => ({ ...f, images: images.get(`${f.pruned.task}\n${f.pruned.sample}`) ?? [] }));
}

/** At most 320 pixels wide or high. */
async function thumbnail({ data, width, height }: Picture): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize(320, 320, { fit: 'inside', withoutEnlargement: true })
    .png({ compressionLevel: 9 })
    .toBuffer();
}
