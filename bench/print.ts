// What every script of this folder prints. With FASTV_BENCH_TABLES=FILE its tables are also written there, a line of JSON
// each, in the shape of docs/results/performance/measurements.json.
import { appendFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { markdownTable } from '../src/bench/table.js';
import type { Tokens } from '../src/cost/paper.js';
import type { Wanted } from './cache.js';

/** Prints a table in Markdown. */
export function printTable(columns: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(`${markdownTable(columns, rows)}\n`);
  const file = process.env['FASTV_BENCH_TABLES'];
  if (file === undefined) return;
  const table = {
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`,
    date: new Date().toLocaleDateString('en-GB', { dateStyle: 'long' }),
    machine: `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'an unknown processor'}`,
    columns,
    align: columns.map((_, i) => (i === 0 ? 'l' : 'r')).join(''),
    rows,
  };
  appendFileSync(file, `${JSON.stringify(table)}\n`);
}

/** Prints what the tables below are about. */
export function printHeading(wanted: Wanted, { image, text }: Tokens, ...more: readonly string[]): void {
  const what = [
    `${wanted.layers} layers`,
    ...(wanted.shareWeights === true ? ['weights shared'] : []),
    wanted.weights,
  ].join(', ');
  console.log(
    `### ${[`${wanted.shape}, ${what}: ${image} image + ${text} other tokens`, ...more].join(', ')}\n`,
  );
}
