import { expect, it } from 'vitest';
import { table } from './table.js';

const ROWS = [
  ['', 'before', 'after'],
  ['FLOPs', '100', '5'],
  ['KV', '7', ''],
];

it('makes columns as wide as their widest cell, and ends no line in spaces', () => {
  expect(table(ROWS)).toEqual(['       before  after', 'FLOPs  100     5', 'KV     7']);
});

it('puts numbers on the right', () => {
  expect(table(ROWS, { right: 'all-but-first' })).toEqual([
    '       before  after',
    'FLOPs     100      5',
    'KV          7',
  ]);
  expect(table([['a'], ['bc']], { right: 'all' })).toEqual([' a', 'bc']);
});

it('of nothing is nothing', () => {
  expect(table([])).toEqual([]);
});
