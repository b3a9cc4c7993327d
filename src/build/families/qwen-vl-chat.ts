// Qwen-VL-Chat (arXiv 2308.12966). Its image tokens are those between <img> and </img>, whatever their ids: the ids spell
// the picture's path.
import { DataType } from '../../onnx/tensor.js';
import { qwen } from '../parts/decoders/qwen.js';
import { qwenVlChatTower } from '../parts/towers/qwen-vl-chat.js';
import type { Family } from './family.js';

export const qwenVlChat: Family = {
  name: 'qwen-vl-chat',
  modelTypes: ['qwen'],
  parts: (config, weights) => {
    if (!config.has('visual'))
      throw config.refuse('visual', 'a tower: this is Qwen without one', 'unsupported-decoder');
    weights.ignore(/\.(?:rotary_emb\.inv_freq|attn\.bias|attn\.masked_bias)$/u);
    const model = weights.under('transformer.');
    const decoder = qwen(config, model, weights.under(''));
    const { vocabulary, hidden } = decoder;
    const visual = config.section('visual');
    return {
      decoder,
      embeddings: model.get('wte.weight', vocabulary, hidden),
      vision: (g) => {
        const side = visual.int('image_size', 448);
        const pixels = g.toFloat(g.input('pixel_values', DataType.FLOAT, ['num_images', 3, side, side]));
        const features = qwenVlChatTower(g, pixels, visual, model.under('visual.'));
        g.output('image_features', g.toFloat32(features), DataType.FLOAT, ['num_images', 256, hidden]);
      },
    };
  },
};
