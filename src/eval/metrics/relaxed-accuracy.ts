/**
 * ChartQA's relaxed accuracy (Masry et al., arXiv 2203.10244, section 5.1): a number may be 5% off, everything else must be
 * the answer itself, case aside.
 */
import { sampleMetric } from './metric.js';

/** How far off a number may be, as a share of the right one. */
const TOLERANCE = 0.05;

/** A number as charts give them: `12`, `-1.5`, `1e3`; a percentage is a hundredth. Undefined for any other text. */
function numberOf(text: string): number | undefined {
  const percent = text.endsWith('%');
  const digits = percent ? text.slice(0, -1) : text;
  if (digits.trim() === '' || !/^[\s\d.+\-eE]+$/u.test(digits)) return undefined;
  const value = Number(digits);
  return Number.isFinite(value) ? value / (percent ? 100 : 1) : undefined;
}

/**
 * 1 if a reply is right, else 0.
 * @example relaxedAccuracy('10.4', ['10']) // 1
 */
export function relaxedAccuracy(prediction: string, answers: readonly string[]): 0 | 1 {
  const said = prediction.trim();
  const value = numberOf(said);
  return answers.some((answer) => {
    const right = numberOf(answer.trim());
    // of 0 there is no share: it must be written as it is
    if (value === undefined || right === undefined || right === 0)
      return said.toLowerCase() === answer.trim().toLowerCase();
    return Math.abs(value - right) / Math.abs(right) <= TOLERANCE;
  })
    ? 1
    : 0;
}

/** ChartQA and other questions about numbers that are read off a picture. */
export const relaxedAccuracyMetric = sampleMetric({
  name: 'relaxed-accuracy',
  label: 'relaxed accuracy',
  about: 'whether the reply is the answer, case aside, or a number at most 5% off',
  scoreReply: ({ answers }, { text }) => ({ score: relaxedAccuracy(text, answers), choice: null }),
});
