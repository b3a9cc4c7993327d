// Opened models in Node, and with another decoder than their own.
import { env } from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import { checkLocalModel } from '../files/model-name.js';
import { loadWithDecoder } from './decoder-override.js';
import { NODE } from './node.js';
import { openOn, type OpenedModel, type OpenOptions as Options } from './open-model.js';

export type { OpenedModel, Pruning } from './open-model.js';

/**
 * How a model is opened.
 * @example
 * const options: OpenOptions = { fastv: { layer: 2, ratio: 0.5 }, loading: { dtype: 'q8' } };
 */
export interface OpenOptions extends Options {
  /** A decoder file to run in the place of the model's own. */
  readonly decoder?: string;
}

/**
 * Opens a model.
 * @param name a folder, or a name on the Hugging Face hub
 * @throws {FastvError} as the plug; what Transformers.js throws where files are missing
 * @example
 * const model = await openModel(folder, { fastv: { layer: 2, ratio: 0.5 }, loading: { dtype: 'q8' } });
 * const { text, report } = await model.ask([{ role: 'user', text: 'What is this?', images: [picture] }], {
 *   maxNewTokens: 64,
 *   ratio: 0.75,
 *   signal: AbortSignal.timeout(10_000),
 * });
 * await model.close();
 */
export async function openModel(name: string, options: OpenOptions = {}): Promise<OpenedModel> {
  const { decoder, ...rest } = options;
  checkLocalModel(name, env.localModelPath);
  if (decoder === undefined) return openOn(NODE, name, rest);
  if (rest.fastv !== undefined) {
    throw new FastvError('invalid-option', 'another decoder can be run unpruned only', {
      where: 'decoder',
      hint: 'Rewrite that decoder, or leave fastv out.',
    });
  }
  return openOn(NODE, name, rest, (modelClass, loading) =>
    loadWithDecoder(modelClass, name, decoder, { ...loading }),
  );
}
