// Gemma 3 (arXiv 2503.19786): SigLIP, an average pool, and a decoder in which images see themselves. Its decoder takes
// token_type_ids, which Transformers.js does not feed: fastv's own ways of loading a model do.
import { DataType } from '../../onnx/tensor.js';
import { rmsNorm } from '../parts/blocks.js';
import { gemma3 as decoderOf, norm } from '../parts/decoders/gemma3.js';
import { pixelInput } from '../parts/towers/clip.js';
import { siglip } from '../parts/towers/siglip.js';
import { gemmaLanguage, languageModel, textConfig, withTextConfig, type Family } from './family.js';
import { visionWeights } from './llava.js';

export const gemma3: Family = {
  name: 'gemma3',
  modelTypes: ['gemma3'],
  parts: (config, weights) => {
    const language = languageModel(config, weights, { tied: true });
    const decoder = decoderOf(textConfig(config), language);
    const { hidden } = decoder;
    const vision = config.section('vision_config');
    const { tower, projector } = visionWeights(weights);
    return {
      ...gemmaLanguage(decoder, language),
      vision: (g) => {
        const { emit } = g;
        const { normed, ...seen } = siglip(g, pixelInput(g, vision, 224), vision, tower, [-1]);
        const tokens = config.int('mm_tokens_per_image', 256);
        const side = Math.round(Math.sqrt(tokens));
        const window = Math.floor(seen.side / side);
        if (side * side !== tokens || window * side !== seen.side) {
          throw config.refuse('mm_tokens_per_image', `a square whose side divides ${seen.side}`);
        }
        const map = emit.reshape(emit.transpose(normed(), 0, 2, 1), emit.ints(0, 0, seen.side, seen.side));
        const size = [BigInt(window), BigInt(window)];
        const pooled = emit.op('AveragePool', [map], { attributes: { kernel_shape: size, strides: size } });
        const rows = emit.transpose(emit.reshape(pooled, emit.ints(0, 0, -1)), 0, 2, 1);
        const epsilon = vision.number('layer_norm_eps', 1e-6);
        const even = rmsNorm(g, rows, norm(projector, 'mm_soft_emb_norm', seen.hidden), epsilon);
        const weight = projector.get('mm_input_projection_weight', seen.hidden, hidden).transposed();
        const features = g.toFloat32(g.linear(even, { weight }));
        g.output('image_features', features, DataType.FLOAT, ['num_images', tokens, hidden]);
      },
    };
  },
  config: (config, { decoder }) => withTextConfig(config, 'gemma3_text', decoder),
};
