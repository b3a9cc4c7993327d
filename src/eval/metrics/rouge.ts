/**
 * ROUGE-L of short answers: as FastV's authors score OCR-VQA, after the normalisation of VQA accuracy.
 *
 * Source: github.com/pkunlp-icler/FastV, src/FastV/inference/eval/inference_ocrvqa.py.
 */
import { sampleMetric } from './metric.js';
import { rougeL } from './rouge-l.js';
import { normalizeVqaAnswer } from './vqa.js';

/** ROUGE-L of one reply, in [0, 1]. */
export function rougeAnswer(reply: string, answers: readonly string[]): number {
  if (answers.length === 0) return 0;
  const words = (text: string): string[] => normalizeVqaAnswer(text).split(' ');
  return rougeL([{ candidate: words(reply), references: answers.map(words) }]).score;
}

export const rougeMetric = sampleMetric({
  name: 'rouge-l',
  label: 'ROUGE-L',
  about: 'the longest common subsequence of words, normalised as VQA accuracy, as FastV scores OCR-VQA',
  scoreReply: ({ answers }, { text }) => ({ score: rougeAnswer(text, answers), choice: null }),
});
