/** Metrics of the user's own, from the modules that `--metric-module` names. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { addMetrics } from '../eval/metrics/index.js';
import type { Metric } from '../eval/metrics/metric.js';
import { FastvError } from '../errors.js';
import { readRegular } from '../files/read.js';

/** A metric is some pages of JavaScript. */
const MAX_BYTES = 2 ** 20;

/**
 * Loads metrics and makes them known. A module exports one as `default`, or a list; `src/eval/metrics/metric.ts` says what a
 * metric holds.
 * @throws {FastvError} `io` for a file that cannot be read, `invalid-option` for a module that cannot be loaded, or exports something else
 */
export async function ownMetrics(files: readonly string[] = []): Promise<readonly Metric[]> {
  const all: Metric[] = [];
  for (const file of files) {
    await readRegular(file, MAX_BYTES); // a pipe would never answer
    const { default: exported } = (await import(pathToFileURL(resolve(file)).href).catch((cause: unknown) => {
      throw new FastvError('invalid-option', 'the module cannot be loaded', { where: file, cause });
    })) as { default?: unknown };
    for (const one of [exported].flat()) all.push(checked(one, file));
  }
  addMetrics(all);
  return all;
}

const FUNCTIONS = ['scoreReply', 'units', 'score'] as const;

function checked(value: unknown, file: string): Metric {
  const metric = (typeof value === 'object' && value !== null ? value : {}) as Partial<Metric>;
  const wrong = (field: string): FastvError =>
    new FastvError('invalid-option', `a metric needs ${field}`, {
      where: `${file}, default export`,
      hint: 'export default { name, label, about, unit, higherIsBetter, scoreReply, units, score }',
    });
  for (const field of ['name', 'label', 'about'] as const)
    if (typeof metric[field] !== 'string' || metric[field] === '') throw wrong(`a text as ${field}`);
  for (const field of FUNCTIONS)
    if (typeof metric[field] !== 'function') throw wrong(`a function as ${field}`);
  if (metric.unit !== 'percent' && metric.unit !== 'points') throw wrong('unit: "percent" or "points"');
  if (typeof metric.higherIsBetter !== 'boolean') throw wrong('higherIsBetter: true or false');
  return metric as Metric;
}
