/**
 * OCRBench: right where the reply holds one of the answers, case aside; of handwritten formulas white space is put aside
 * instead. Its tables print right answers out of 1000, which is the score in percent times ten.
 *
 * Source: Liu et al., "OCRBench: on the hidden mystery of OCR in large multimodal models" (2024), as
 * github.com/open-compass/VLMEvalKit scores it (vlmeval/dataset/image_vqa.py). lmms-eval also reads full-width letters
 * as plain ones since 2026, which is left out here.
 */
import { sampleMetric } from './metric.js';

/** The kind of question whose answers are formulas (the dataset HME100k). */
const FORMULAS = 'Handwritten Mathematical Expression Recognition';

export const ocrBenchMetric = sampleMetric({
  name: 'ocrbench',
  label: 'accuracy',
  about: 'whether the reply holds one of the answers, case aside, as OCRBench does it',
  scoreReply({ answers, category = null }, { text }) {
    const plain = (one: string): string =>
      category === FORMULAS
        ? one.trim().replaceAll('\n', ' ').replaceAll(' ', '')
        : one.toLowerCase().trim().replaceAll('\n', ' ');
    const said = plain(text);
    return { score: answers.some((answer) => said.includes(plain(answer))) ? 1 : 0, choice: null };
  },
});
