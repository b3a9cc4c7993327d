// The largest R that keeps a model's answers on pictures of one's own.
import { FastvError } from '../errors.js';
import { largestRatio, type CalibrateOptions, type Calibration } from './auto-ratio.js';
import type { Message } from './conversation.js';
import type { OpenedModel } from './open-model.js';

/**
 * Finds the largest R that keeps the answers to a few questions about pictures of one's own. Answers are greedy, and the
 * same means: equal texts. It says what happens on these samples; a handful of them is a hint, not a proof.
 * `ratio: 'auto'` does the same at a load.
 * @param model opened with the plug: its strategy and layers are what is tried
 * @param samples conversations whose last message is the question
 * @throws {FastvError} `invalid-option` for a model without the plug, or values that make no sense
 * @example
 * const { ratio } = await calibrate(model, pictures.map((picture) => [{ role: 'user', text: 'What is this?', images: [picture] }]));
 * if (model.fastv !== undefined) model.fastv.ratio = ratio;
 */
export async function calibrate(
  model: OpenedModel,
  samples: readonly (readonly Message[])[],
  options: CalibrateOptions = {},
): Promise<Calibration> {
  if (model.fastv?.active !== true) {
    throw new FastvError('invalid-option', 'this model does not prune', {
      where: 'model',
      hint: 'Open it with { fastv: { layer: 2 } }.',
    });
  }
  return largestRatio(samples, options, async (sample, { ratio, maxNewTokens, signal }) => {
    const inputs = await model.conversation.inputs(sample);
    const given = { maxNewTokens, ratio, greedy: true, ...(signal === undefined ? {} : { signal }) };
    const { text, report } = await model.ask(inputs, given);
    return { answer: text, flopsRatio: report?.flopsRatio };
  });
}
