// InternVL3 and what is built like it (arXiv 2504.10479), in the layout of transformers (…-hf): pictures in tiles, pixel
// shuffle, an MLP, Qwen2, Qwen3 or LLaMA. Transformers.js has no class and no processor for it: LLaVA's do what it needs,
// and the tiles come from src/runtime/pictures.
import { DataType } from '../../onnx/tensor.js';
import type { Config } from '../checkpoint/config.js';
import { layerNorm, linearOf } from '../parts/blocks.js';
import { mlp } from '../parts/connectors/mlp.js';
import { pixelShuffle } from '../parts/connectors/pixel-shuffle.js';
import { selectFeatures } from '../parts/connectors/select.js';
import { activationOf } from '../parts/decoders/llama.js';
import { textDecoder } from '../parts/decoders/text-decoder.js';
import { pixelInput } from '../parts/towers/clip.js';
import { internvl as towerOf } from '../parts/towers/internvl.js';
import { asLlava, languageModel, textConfig, withTextConfig, type Family, type Json } from './family.js';
import { visionWeights } from './llava.js';

/** Of nn.LayerNorm, which the connector does not say otherwise. */
const EPSILON = 1e-5;

/** Patches a side of a square that becomes one token. */
function scaleOf(config: Config): number {
  const scale = 1 / config.number('downsample_ratio', 0.5);
  if (!Number.isInteger(scale) || scale < 1) throw config.refuse('downsample_ratio', '1 / n');
  return scale;
}

/** Tokens of a tile. */
function tokensOf(config: Config): Json {
  const vision = config.section('vision_config');
  const side = Math.floor(vision.side('image_size', 448) / vision.side('patch_size', 14)) / scaleOf(config);
  return { image_seq_length: side * side };
}

export const internvl: Family = {
  name: 'internvl',
  modelTypes: ['internvl'],
  parts: (config, weights) => {
    const language = languageModel(config, weights);
    const decoder = textDecoder(textConfig(config), language, 'qwen2');
    const { vocabulary, hidden } = decoder;
    const vision = config.section('vision_config');
    const { tower, projector } = visionWeights(weights);
    const scale = scaleOf(config);
    return {
      decoder,
      embeddings: language.model.get('embed_tokens.weight', vocabulary, hidden),
      vision: (g) => {
        const place = config.int('vision_feature_layer', -1, -1024);
        const seen = towerOf(g, pixelInput(g, vision, 448), vision, tower, place);
        if (config.text('vision_feature_select_strategy', 'default') !== 'default')
          throw config.refuse('vision_feature_select_strategy', 'default', 'unsupported-decoder');
        const { tokens } = selectFeatures(g, seen, [place], { keepClass: false });
        if (seen.side % scale !== 0) throw config.refuse('downsample_ratio', `1 / a divisor of ${seen.side}`);
        const wide = scale * scale * seen.hidden;
        const squares = pixelShuffle(g, tokens, { side: seen.side, scale, hidden: seen.hidden });
        const even = layerNorm(g, squares, linearOf(projector, 'layer_norm', [wide]), EPSILON);
        const features = mlp(g, even, projector, {
          inputs: wide,
          outputs: hidden,
          bias: config.flag('multimodal_projector_bias', true),
          activation: activationOf(config, 'projector_hidden_act', 'gelu'),
        });
        g.output('image_features', g.toFloat32(features), DataType.FLOAT, [
          'num_tiles',
          'num_tokens',
          hidden,
        ]);
      },
    };
  },
  config: (config, { decoder }) => ({
    ...withTextConfig(config, textConfig(config).text('model_type', 'qwen2'), decoder),
    ...tokensOf(config),
    ...asLlava(config),
  }),
  processor: (config, own) => ({
    ...own,
    ...tokensOf(config),
    processor_class: 'LlavaProcessor',
    image_token: '<IMG_CONTEXT>',
    start_image_token: '<img>',
    end_image_token: '</img>',
  }),
  // GotOcr2ImageProcessor's defaults
  preprocessor: (config, own) => {
    const side = config.section('vision_config').side('image_size', 448);
    return {
      resample: 3,
      crop_to_patches: false,
      min_patches: 1,
      max_patches: 12,
      size: { height: side, width: side },
      ...own,
      image_processor_type: 'CLIPImageProcessor',
      processor_class: 'LlavaProcessor',
    };
  },
};
