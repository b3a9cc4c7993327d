// Mistral Small 3.1 and what is built like it (mistral.ai/news/mistral-small-3-1): Pixtral, a merger of neighbouring
// patches, an MLP, Mistral. Rows of a picture end with tokens of the text. Transformers.js has its class and processor.
import { DataType } from '../../onnx/tensor.js';
import { linearOf, rmsNorm } from '../parts/blocks.js';
import { mlp } from '../parts/connectors/mlp.js';
import { activationOf } from '../parts/decoders/llama.js';
import { textDecoder } from '../parts/decoders/text-decoder.js';
import { pixtral } from '../parts/towers/pixtral.js';
import { languageModel, textConfig, withTextConfig, type Family } from './family.js';
import { visionWeights } from './llava.js';

export const mistral3: Family = {
  name: 'mistral3',
  modelTypes: ['mistral3'],
  parts: (config, weights) => {
    const language = languageModel(config, weights);
    const decoder = textDecoder(textConfig(config), language, 'mistral');
    const { vocabulary, hidden, epsilon } = decoder;
    const { tower, projector } = visionWeights(weights);
    const merge = config.int('spatial_merge_size', 2);
    return {
      decoder,
      embeddings: language.model.get('embed_tokens.weight', vocabulary, hidden),
      vision: (g) => {
        const { emit } = g;
        const vision = config.section('vision_config');
        const pixels = g.toFloat(
          g.input('pixel_values', DataType.FLOAT, ['num_images', 3, 'height', 'width']),
        );
        const seen = pixtral(g, pixels, vision, tower, config.int('vision_feature_layer', -1, -1024));
        const { hidden: width } = seen;
        const x = rmsNorm(g, seen.tokens, projector.get('norm.weight', width), epsilon);
        // squares of merge × merge patches side by side, channel by channel
        const few = (count: string): string => emit.op('Div', [count, emit.ints(merge)]);
        const side = emit.ints(merge);
        const shape = [emit.dim1(x, 0), few(seen.rows), side, few(seen.columns), side, emit.ints(width)];
        const apart = emit.reshape(x, emit.concat(shape, 0));
        const inputs = merge * merge * width;
        const squares = emit.reshape(emit.transpose(apart, 0, 1, 3, 5, 2, 4), emit.ints(-1, inputs));
        const merged = g.linear(
          squares,
          linearOf(projector, 'patch_merger.merging_layer', [width, inputs], false),
        );
        const features = mlp(g, merged, projector, {
          inputs: width,
          outputs: hidden,
          bias: config.flag('multimodal_projector_bias', false),
          activation: activationOf(config, 'projector_hidden_act', 'gelu'),
        });
        g.output('image_features', g.toFloat32(features), DataType.FLOAT, ['num_tokens', hidden]);
      },
    };
  },
  config: (config, { decoder }) => withTextConfig(config, 'mistral', decoder),
  processor: (config, own) => ({
    image_token: '[IMG]',
    image_break_token: '[IMG_BREAK]',
    image_end_token: '[IMG_END]',
    ...own,
    patch_size: config.section('vision_config').side('patch_size', 16),
    spatial_merge_size: config.int('spatial_merge_size', 2),
  }),
  // Transformers.js's image processor rounds sizes up to whole squares, and looks for their side here
  preprocessor: (config, own) => ({
    resample: 3,
    ...own,
    patch_size: config.section('vision_config').side('patch_size', 16),
    spatial_merge_size: config.int('spatial_merge_size', 2),
  }),
};
