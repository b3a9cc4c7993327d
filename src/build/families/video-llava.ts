// Video-LLaVA (arXiv 2311.10122): LLaVA with two towers, one for pictures and one for frames. Frames keep their class
// token. The video tower is a part of its own, video_encoder, which the class in src/runtime runs.
import { DataType } from '../../onnx/tensor.js';
import { pixelInput } from '../parts/towers/clip.js';
import { asLlava, CLIP_LARGE, textConfig, visionConfig, withTextConfig, type Family } from './family.js';
import { llavaParts, llavaProcessor, projected, visionWeights } from './llava.js';

/** What the class takes where the file has no `vision_config`. */
const CLIP_SMALL = { ...CLIP_LARGE, image_size: 224 };

export const videoLlava: Family = {
  name: 'video_llava',
  modelTypes: ['video_llava'],
  parts: (config, weights) => {
    const vision = visionConfig(config, CLIP_SMALL);
    const { projector } = visionWeights(weights);
    const tower = (kind: string) =>
      weights.under(`${kind}.vision_model.`, `model.${kind}.vision_model.`, `model.${kind}.`);
    const parts = llavaParts(config, weights, { tower: tower('image_tower'), vision: CLIP_SMALL });
    const { hidden } = parts.decoder;
    return {
      ...parts,
      video: (g) => {
        // [frames, 3, side, side]
        const pixels = pixelInput(g, vision, 224);
        const own = { vision, tower: tower('video_tower'), projector, hidden };
        const features = projected(g, pixels, config, own, { layer: -2, strategy: 'full' }, 'full');
        const axes = ['num_frames', 'num_tokens', hidden];
        g.output('image_features', g.toFloat32(features), DataType.FLOAT, axes);
      },
    };
  },
  config: (config, { decoder }) => ({
    ...withTextConfig(config, textConfig(config).text('model_type', 'llama'), decoder),
    vision_config: visionConfig(config, CLIP_SMALL).fields,
    ...asLlava(config),
  }),
  processor: (config, own) => ({ video_token: '<video>', ...llavaProcessor(config, own, CLIP_SMALL) }),
  preprocessor: (_, own) => ({
    ...own,
    image_processor_type: 'CLIPImageProcessor',
    processor_class: 'LlavaProcessor',
  }),
};
