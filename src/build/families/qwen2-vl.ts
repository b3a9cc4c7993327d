// Qwen2-VL (arXiv 2409.12191).
import { qwen2Vl as decoder } from '../parts/decoders/qwen2.js';
import { qwen2VlTower } from '../parts/towers/qwen2-vl.js';
import { textConfig, textFields, type Family } from './family.js';
import { qwenVlParts, qwenVlPreprocessor } from './qwen-vl.js';

export const qwen2Vl: Family = {
  name: 'qwen2_vl',
  preprocessor: qwenVlPreprocessor,
  modelTypes: ['qwen2_vl'],
  parts: (config, weights) => qwenVlParts(config, weights, decoder, qwen2VlTower),
  // Transformers.js reads the decoder's measures from the whole
  config: (config, parts) => ({
    ...config.fields,
    ...textFields(textConfig(config).fields, 'qwen2_vl', parts.decoder),
    ...config.fields,
  }),
};
