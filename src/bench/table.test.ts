import { describe, expect, it } from 'vitest';
import { markdownTable, mebibytes, percentage, seconds } from './table.js';

describe('markdownTable', () => {
  it('aligns, and fills short rows', () => {
    expect(markdownTable(['what', 's'], [['a', '10.5'], ['longer', '2'], ['short']])).toBe(
      [
        '| what   |    s |',
        '|--------|-----:|',
        '| a      | 10.5 |',
        '| longer |    2 |',
        '| short  |      |',
      ].join('\n'),
    );
  });
});

describe('numbers', () => {
  it('have three digits or so', () => {
    expect([1.234, 12.34, 123.4, 1234, 12345].map(seconds)).toEqual([
      '0.0012',
      '0.0123',
      '0.123',
      '1.23',
      '12.35',
    ]);
    expect(mebibytes(3 * 2 ** 19)).toBe('1.5');
    expect([percentage(1, 8), percentage(1, 0)]).toEqual(['12.50%', '']);
  });
});
