import { expect, it } from 'vitest';
import { describeProgress, progressLine } from './progress.js';

it.each([
  [120, 20, 500, 50_000, '120/500 (24%), 2.0/s, 3:10 left, x'],
  [500, 0, 500, 10_000, '500/500 (100%), 50/s, x'],
  [20, 20, 500, 0, '20/500 (4%), x'],
  [10, 0, 100_000, 10_000, '10/100000 (0%), 1.0/s, 27:46:30 left, x'],
  [7, 0, null, 1000, '7, 7.0/s, x'],
])('%d done, %d found, of %s', (done, found, total, elapsed, line) => {
  expect(describeProgress(done, found, total, elapsed, 'x')).toBe(line);
});

it('redraws on a terminal and writes lines now and then elsewhere', () => {
  const write = (isTTY: boolean): string => {
    let text = '';
    let now = 0;
    const progress = progressLine(
      { isTTY, write: (t) => (text += t) },
      () => 0,
      () => now,
    );
    for (let i = 1; i <= 30; i++) {
      now += 1000;
      progress.update(i, 30, 'x');
    }
    progress.end();
    return text;
  };
  expect(write(true).split('\r')).toHaveLength(31);
  expect(write(true).endsWith('\n')).toBe(true);
  expect(write(false).split('\n').filter(Boolean)).toHaveLength(4);
});
