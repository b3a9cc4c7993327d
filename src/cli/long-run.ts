/** Before a run that may take hours: what it comes to, and, where somebody sits at a terminal, whether that is meant. */
import { createInterface } from 'node:readline/promises';
import type { Answerer } from '../eval/answerer.js';
import { estimateRun, type Estimate } from '../eval/estimate.js';
import { duration } from '../eval/progress.js';
import type { RunOptions } from '../eval/run-options.js';
import { Interrupted } from './interrupt.js';
import type { Terminal } from './terminal.js';

/** From so many seconds on, whoever sits at a terminal is asked. */
const LONG = 600;

/** What is said of an estimate. */
export function describeEstimate({ answers, secondsEach }: Estimate, conditions: number): string {
  const each = `${secondsEach < 10 ? secondsEach.toFixed(2) : secondsEach.toFixed(0)} s an answer of the original`;
  return answers === null
    ? `${conditions} conditions of every question, ${each}: --limit N takes N of each task`
    : `${answers} answers (${conditions} conditions), about ${duration(answers * secondsEach)} at ${each}; what is there already is not asked again`;
}

/**
 * Says how long a run may take; asks whether to go on where it is long and somebody can answer.
 * @param yes `--yes`: nobody is asked
 * @throws {Interrupted} if the answer is no
 */
export async function beforeLongRun(
  answerer: Answerer,
  options: RunOptions,
  terminal: Terminal,
  yes: boolean,
): Promise<void> {
  const { interactive } = terminal;
  if (terminal.quiet && (yes || !interactive)) return;
  const estimate = await estimateRun(answerer, options);
  terminal.note(describeEstimate(estimate, options.conditions.length));
  const { answers, secondsEach } = estimate;
  const long = answers === null || answers * secondsEach > LONG;
  if (yes || !interactive || !long) return;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const reply = await lines.question('go on? [Y/n] ', {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    if (!/^\s*n/iu.test(reply)) return;
  } finally {
    lines.close();
  }
  throw new Interrupted('not begun', { hint: '--limit takes fewer questions, --yes asks nothing' });
}
