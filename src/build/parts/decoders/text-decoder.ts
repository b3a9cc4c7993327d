// Decoders by the `model_type` of a text configuration.
import type { Config } from '../../checkpoint/config.js';
import type { DecoderSpec } from './decoder.js';
import { llama, type DecoderWeights } from './llama.js';
import { qwen2 } from './qwen2.js';
import { qwen3 } from './qwen3.js';

type MakeDecoder = (text: Config, weights: DecoderWeights) => DecoderSpec;

const DECODERS: ReadonlyMap<string, MakeDecoder> = new Map([
  ['llama', llama],
  ['mistral', llama],
  ['qwen2', qwen2],
  ['qwen3', qwen3],
]);

/**
 * A decoder.
 * @param otherwise its type where the file leaves it to the class
 * @throws {FastvError} `unsupported-decoder` for those that are not known
 */
export const textDecoder = (text: Config, weights: DecoderWeights, otherwise = 'llama'): DecoderSpec => {
  const make = DECODERS.get(text.text('model_type', otherwise));
  if (make === undefined)
    throw text.refuse('model_type', [...DECODERS.keys()].join(', '), 'unsupported-decoder');
  return make(text, weights);
};
