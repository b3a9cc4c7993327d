// What Qwen2-VL, Qwen2.5-VL and Qwen3-VL share: where their weights are, and the shape of what their encoders give.
import { DataType } from '../../onnx/tensor.js';
import type { Config } from '../checkpoint/config.js';
import type { PartGraph } from '../part.js';
import type { DecoderSpec } from '../parts/decoders/decoder.js';
import type { DecoderWeights } from '../parts/decoders/llama.js';
import type { Scope, Weights } from '../weights.js';
import { languageModel, textConfig, type FamilyParts, type Json } from './family.js';

/** The parts, by what makes them. */
export function qwenVlParts(
  config: Config,
  weights: Weights,
  makeDecoder: (text: Config, weights: DecoderWeights) => DecoderSpec,
  makeTower: (g: PartGraph, vision: Config, w: Scope, outputs: number) => string,
): FamilyParts {
  const language = languageModel(config, weights, {
    model: ['model.language_model.', 'model.', 'language_model.model.'],
    head: ['', 'language_model.', 'model.'],
  });
  const decoder = makeDecoder(textConfig(config), language);
  const { vocabulary, hidden, deepstack = 0 } = decoder;
  const visual = weights.under('visual.', 'model.visual.');
  return {
    decoder,
    embeddings: language.model.get('embed_tokens.weight', vocabulary, hidden),
    vision: (g) => {
      const features = makeTower(g, config.section('vision_config'), visual, hidden);
      const width = (1 + deepstack) * hidden;
      g.output('image_features', g.toFloat32(features), DataType.FLOAT, ['num_tokens', width]);
    },
  };
}

/** What Qwen2VLImageProcessor does unless the file says otherwise, which is where newer files keep the bounds of pixels. */
export function qwenVlPreprocessor(config: Config, own: Json): Json {
  const vision = config.section('vision_config');
  return {
    resample: 3,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
    patch_size: vision.int('patch_size', 14),
    temporal_patch_size: vision.int('temporal_patch_size', 2),
    merge_size: vision.int('spatial_merge_size', 2),
    size: { shortest_edge: 56 * 56, longest_edge: 28 * 28 * 1280 },
    ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== null)),
  };
}
