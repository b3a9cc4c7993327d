/** Progress on stderr: how far, how fast, how long still. */

export interface Progress {
  /** `done` of `total` (null if it is not known); `fresh` of them were computed now, not found. */
  update(done: number, total: number | null, what: string): void;
  end(): void;
}

/** A clock in milliseconds; tests give their own. */
export type Clock = () => number;

/**
 * A progress line: redrawn on a terminal, one line every ten seconds otherwise.
 * @param found how many were there before, which say nothing about the speed
 */
export function progressLine(
  stream: { write(text: string): unknown; isTTY?: boolean },
  found: () => number,
  clock: Clock = Date.now,
): Progress {
  const begun = clock();
  let shown = -Infinity;
  let length = 0;
  const interval = stream.isTTY === true ? 200 : 10_000;
  return {
    update(done, total, what) {
      const now = clock();
      if (now - shown < interval && done !== total) return;
      shown = now;
      const line = describeProgress(done, found(), total, now - begun, what);
      if (stream.isTTY === true) {
        stream.write(`\r${line.padEnd(length)}`);
        length = line.length;
      } else stream.write(`${line}\n`);
    },
    end() {
      if (stream.isTTY === true && length > 0) stream.write('\n');
    },
  };
}

/** "120/500 (24%), 3.1/s, 2:03 left, K2-R50" */
export function describeProgress(
  done: number,
  found: number,
  total: number | null,
  elapsed: number,
  what: string,
): string {
  const rate = elapsed > 0 ? (done - found) / (elapsed / 1000) : 0;
  const parts = [
    total === null ? String(done) : `${done}/${total} (${Math.floor((100 * done) / Math.max(1, total))}%)`,
  ];
  if (rate > 0) parts.push(`${rate >= 10 ? rate.toFixed(0) : rate.toFixed(1)}/s`);
  if (rate > 0 && total !== null && total > done) parts.push(`${duration((total - done) / rate)} left`);
  return [...parts, what].join(', ');
}

/** "1:30:05", or "2:03" below an hour. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}
