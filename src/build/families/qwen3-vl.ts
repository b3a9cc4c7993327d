// Qwen3-VL (arXiv 2511.21631). DeepStack's features lie behind each token's own in image_features and inputs_embeds, which
// are so much wider: Transformers.js puts them where the image tokens are without knowing of them, and the decoder takes
// them apart.
import { qwen3Vl as decoder } from '../parts/decoders/qwen3.js';
import { deepstackLayers, qwen3VlTower } from '../parts/towers/qwen3-vl.js';
import { withTextConfig, type Family } from './family.js';
import { qwenVlParts, qwenVlPreprocessor } from './qwen-vl.js';

export const qwen3Vl: Family = {
  name: 'qwen3_vl',
  preprocessor: qwenVlPreprocessor,
  modelTypes: ['qwen3_vl'],
  parts: (config, weights) =>
    qwenVlParts(
      config,
      weights,
      (text, own) => ({
        ...decoder(text, own),
        deepstack: deepstackLayers(config.section('vision_config')).length,
      }),
      (g, vision, w, outputs) => g.emit.concat(qwen3VlTower(g, vision, w, outputs), -1),
    ),
  config: (config, parts) => withTextConfig(config, 'qwen3_vl_text', parts.decoder),
};
