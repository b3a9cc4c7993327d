// LLaVA-1.5 (arXiv 2310.03744), and LLaVA on LLaMA 3 and others: CLIP, an MLP, LLaMA.
import type { Config } from '../checkpoint/config.js';
import { DataType } from '../../onnx/tensor.js';
import type { PartGraph } from '../part.js';
import { mlp } from '../parts/connectors/mlp.js';
import { activationOf } from '../parts/decoders/llama.js';
import { textDecoder } from '../parts/decoders/text-decoder.js';
import { visionTower } from '../parts/towers/tower.js';
import { pixelInput } from '../parts/towers/clip.js';
import type { Scope, Weights } from '../weights.js';
import {
  languageModel,
  CLIP_LARGE,
  textConfig,
  visionConfig,
  withTextConfig,
  type Family,
  type FamilyParts,
  type Json,
} from './family.js';
import { selectFeatures } from '../parts/connectors/select.js';

/**
 * LLaVA's three parts, which others share.
 * @param given.text the decoder's `model_type` where the file leaves it to the class
 * @param given.vision the tower's configuration where the file has none
 * @param given.tower the tower's weights where they have other names
 */
export function llavaParts(
  config: Config,
  weights: Weights,
  given: { readonly text?: string; readonly vision?: Json; readonly tower?: Scope } = {},
): FamilyParts {
  const language = languageModel(config, weights);
  const decoder = textDecoder(textConfig(config), language, given.text);
  const { vocabulary, hidden } = decoder;
  const vision = visionConfig(config, given.vision ?? CLIP_LARGE);
  const own = { ...visionWeights(weights), ...given };
  return {
    decoder,
    embeddings: language.model.get('embed_tokens.weight', vocabulary, hidden),
    vision: (g) => {
      const pixels = pixelInput(g, vision, 336);
      const features = projected(g, pixels, config, { ...own, vision, hidden });
      g.output('image_features', g.toFloat32(features), DataType.FLOAT, ['num_images', 'num_tokens', hidden]);
    },
  };
}

/** The tower's and the projector's weights, in the old and the new layouts. */
export function visionWeights(weights: Weights): { readonly tower: Scope; readonly projector: Scope } {
  const towers = ['vision_tower.vision_model.', 'model.vision_tower.vision_model.'];
  towers.push('vision_tower.', 'model.vision_tower.');
  return {
    tower: weights.under(...towers),
    projector: weights.under('multi_modal_projector.', 'model.multi_modal_projector.'),
  };
}

/** Features of pictures of the tower's size, projected: [images, tokens, hidden]. */
export function projected(
  g: PartGraph,
  pixels: string,
  config: Config,
  {
    vision,
    tower,
    projector,
    hidden,
  }: {
    readonly vision: Config;
    readonly tower: Scope;
    readonly projector: Scope;
    readonly hidden: number;
  },
  otherwise: { readonly layer: number; readonly strategy: string } = { layer: -2, strategy: 'default' },
  strategy = config.text('vision_feature_select_strategy', otherwise.strategy),
): string {
  const layers = Array.isArray(config.fields['vision_feature_layer'])
    ? config.ints('vision_feature_layer')
    : [config.int('vision_feature_layer', otherwise.layer, -1024)];
  const selected = selectFeatures(g, visionTower(g, pixels, vision, tower, layers), layers, {
    keepClass: strategy !== 'default',
  });
  return mlp(g, selected.tokens, projector, {
    inputs: selected.width,
    outputs: hidden,
    bias: config.flag('multimodal_projector_bias', true),
    activation: activationOf(config, 'projector_hidden_act', 'gelu'),
  });
}

/** Transformers.js's LlavaProcessor counts rows · columns and this many more. */
export function llavaProcessor(config: Config, own: Json, absent = CLIP_LARGE): Json {
  const vision = visionConfig(config, absent);
  const full = config.text('vision_feature_select_strategy', 'default') !== 'default';
  const classToken = vision.text('model_type', 'clip_vision_model') === 'clip_vision_model';
  return {
    image_token: '<image>',
    ...own,
    processor_class: 'LlavaProcessor',
    patch_size: vision.side('patch_size', 14),
    // whatever the first token is, "default" drops it
    num_additional_image_tokens: (classToken ? 1 : 0) - (full ? 0 : 1),
  };
}

export const llava: Family = {
  name: 'llava',
  modelTypes: ['llava'],
  parts: llavaParts,
  config: (config, { decoder }) => ({
    ...withTextConfig(config, textConfig(config).text('model_type', 'llama'), decoder),
    vision_config: visionConfig(config, CLIP_LARGE).fields,
  }),
  processor: (config, own) => llavaProcessor(config, own),
  preprocessor: (_, own) =>
    // LlavaImageProcessor is CLIP's, which pads if it is told to
    own['do_pad'] === true ? own : { ...own, image_processor_type: 'CLIPImageProcessor' },
};
