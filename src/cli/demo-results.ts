/** What the demo found. */
import type { Picture } from '../media/index.js';
import type { PrefillReport } from '../runtime/options.js';
import type { Measured } from '../bench/in-turns.js';

/** A question, the original's answer, and what each R made of it. */
export interface DemoResult {
  readonly title: string;
  readonly question: string;
  /** The expected answer. */
  readonly answer: string;
  readonly pictures: readonly Picture[];
  readonly original: Measured;
  readonly runs: readonly {
    readonly ratio: number;
    readonly measured: Measured;
    readonly report: PrefillReport;
    /** A PNG of the kept patches. */
    readonly overlay: Buffer;
  }[];
}

/** One setting over all questions. */
export interface DemoSummary {
  /** null: the original model. */
  readonly ratio: number | null;
  readonly right: number;
  readonly sameAsOriginal: number;
  readonly questions: number;
  /** Sums over the questions of median milliseconds. */
  readonly ttftMs: number;
  readonly prefillMs: number;
  readonly prefillSpeedup: number;
  /** The paper's FLOPs, KV bytes: means of the shares of the original. */
  readonly flopsRatio: number;
  readonly kvRatio: number;
}

/** Whether an answer is the expected one, whatever its case and full stop. */
export function isRight(given: string, expected: string): boolean {
  const plain = (text: string): string =>
    text
      .toLowerCase()
      .replace(/[.\s]+$/u, '')
      .trim();
  return plain(given) === plain(expected);
}
