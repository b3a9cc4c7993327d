import { expect, it } from 'vitest';
import { wilsonInterval } from './wilson.js';

it.each([
  // the roots p of (share − p)² = z² p (1 − p) / n
  [1, 5, 0.5655175, 1],
  [0, 10, 0, 0.2775328],
  [0.5, 10, 0.2365931, 0.7634069],
  [0.85, 100, 0.7671644, 0.9069401],
])('%d of %d', (share, n, low, high) => {
  const interval = wilsonInterval(share, n);
  expect(interval.low).toBeCloseTo(low, 5);
  expect(interval.high).toBeCloseTo(high, 5);
});
