// Qwen2.5-VL (arXiv 2502.13923).
import { qwen2Vl as decoder } from '../parts/decoders/qwen2.js';
import { qwen25VlTower } from '../parts/towers/qwen2.5-vl.js';
import { withTextConfig, type Family } from './family.js';
import { qwenVlParts, qwenVlPreprocessor } from './qwen-vl.js';

export const qwen25Vl: Family = {
  name: 'qwen2_5_vl',
  preprocessor: qwenVlPreprocessor,
  modelTypes: ['qwen2_5_vl'],
  parts: (config, weights) => qwenVlParts(config, weights, decoder, qwen25VlTower),
  config: (config, parts) => withTextConfig(config, 'qwen2_5_vl_text', parts.decoder),
};
