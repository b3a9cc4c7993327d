/** What the demo found. */
import type { Picture } from '../media/index.js';
import type { PrefillReport } from '../runtime/options.js';
import type { Measured } from '../bench/in-turns.js';
import { percent } from './format.js';
import type { Overlay } from './overlay.js';
import { table } from './table.js';

/** A question, the original's answer, and what each R made of it. */
export interface DemoResult {
  readonly title: string;
  readonly question: string;
  /** The expected answer. */
  readonly answer: string;
  readonly pictures: readonly Picture[];
  /** What is to be seen in each picture, for those who cannot. */
  readonly descriptions: readonly string[];
  readonly original: Measured;
  readonly runs: readonly {
    readonly ratio: number;
    readonly measured: Measured;
    readonly report: PrefillReport;
    /** The kept patches, one a picture. */
    readonly overlays: readonly Overlay[];
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

/** The answers as a table: what was expected, what the original said, and what each R made of it. */
export function answersTable(results: readonly DemoResult[]): string[] {
  const ratios = results[0]?.runs.map(({ ratio }) => `R=${percent(ratio)}`) ?? [];
  return table([
    ['question', 'expected', 'original', ...ratios],
    ...results.map(({ question, answer, original, runs }) => [
      question,
      answer,
      original.text,
      ...runs.map(({ measured }) => measured.text),
    ]),
  ]);
}

/** Whether an answer is the expected one, whatever its case and full stop. */
export function isRight(given: string, expected: string): boolean {
  const plain = (text: string): string =>
    text
      .toLowerCase()
      .replace(/(?<![.\s])[.\s]+$/u, '')
      .trim();
  return plain(given) === plain(expected);
}
