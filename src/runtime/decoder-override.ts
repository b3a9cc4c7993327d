// A Transformers.js model with another decoder file than its own: how two decoders are compared in one model without
// copying or linking its files. In Node only.
import { FastvError } from '../errors.js';
import { loadPretrained, type Loader } from './load-pretrained.js';
import { isDecoderFile, nodeSessionClass } from './node-session.js';
import { exactSwap } from './unsigned-file.js';
import { installSwap, type Swap } from './session-swap.js';
import { isDecoderModel, type HfModel } from './transformers.js';

/**
 * Loads a model with the decoder `file`; everything else is the model's own. The model must have a
 * `decoder_model_merged` of the dtype that is asked for, which is found but not read.
 * @param options Transformers.js's
 * @throws {FastvError} `unsupported-decoder` if the model runs no such decoder, or `file` is none or is rewritten
 */
export async function loadWithDecoder(
  modelClass: Loader,
  name: string,
  file: string,
  options: Record<string, unknown>,
): Promise<HfModel> {
  const Session = await nodeSessionClass();
  installSwap(Session);
  const seen = { decoder: false };
  const swap: Swap = (source) => {
    if (typeof source.model !== 'string' || !isDecoderFile(source.model)) return Promise.resolve(source);
    seen.decoder = true;
    return Promise.resolve({ ...source, model: file });
  };
  const model = await loadPretrained(modelClass, name, options, exactSwap(Session, swap));
  if (isDecoderModel(model) && seen.decoder) {
    const inputNames = model.sessions['decoder_model_merged']?.inputNames ?? [];
    if (inputNames.includes('inputs_embeds') && !inputNames.includes('image_token_mask')) return model;
    await dispose(model);
    throw inputNames.includes('image_token_mask')
      ? refusal('the decoder is rewritten already', file, 'Take the original, and rewrite the result.')
      : refusal('the decoder has no input inputs_embeds', file, 'It must be the decoder_model_merged.');
  }
  await dispose(model);
  throw refusal(
    'this model runs no decoder_model_merged',
    name,
    'It must be an image-text model of Transformers.js.',
  );
}

function refusal(message: string, where: string, hint: string): FastvError {
  return new FastvError('unsupported-decoder', message, { where, hint });
}

async function dispose(model: unknown): Promise<void> {
  await (model as { dispose(): Promise<unknown> }).dispose();
}
