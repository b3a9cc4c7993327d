// What every script of this folder prints.
import { markdownTable } from '../src/bench/table.js';
import type { Tokens } from '../src/cost/paper.js';
import type { Wanted } from './cache.js';

/** Prints a table in Markdown. */
export function printTable(columns: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(`${markdownTable(columns, rows)}\n`);
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
