// PaliGemma (arXiv 2407.07726): SigLIP, one linear layer, and Gemma (arXiv 2403.08295), in which the tokens of a prompt see
// each other both ways. Its decoder takes token_type_ids, 1 at every token of the prompt, which fastv's own ways of loading
// a model feed.
import { DataType } from '../../onnx/tensor.js';
import type { Config } from '../checkpoint/config.js';
import { linearOf } from '../parts/blocks.js';
import type { DecoderSpec } from '../parts/decoders/decoder.js';
import { norm } from '../parts/decoders/gemma3.js';
import { activationOf, llamaLike, type DecoderWeights } from '../parts/decoders/llama.js';
import { pixelInput } from '../parts/towers/clip.js';
import { siglip } from '../parts/towers/siglip.js';
import { gemmaLanguage, languageModel, textConfig, withTextConfig, type Family } from './family.js';
import { visionWeights } from './llava.js';

/** Gemma: LLaMA with weights of norms as 1 + w. Defaults are GemmaConfig's. */
function gemma(text: Config, weights: DecoderWeights): DecoderSpec {
  const spec = llamaLike(text, weights, {
    bias: { qkv: false, o: false },
    hidden: 3072,
    heads: 16,
    kvHeads: 16,
    layers: 28,
    intermediate: 24576,
    headSize: 256,
    vocabulary: 256000,
    positions: 8192,
  });
  const { hidden } = spec;
  return {
    ...spec,
    activation: activationOf(text, 'hidden_activation', 'gelu_pytorch_tanh'),
    layer: (index) => {
      const w = weights.model.under(`layers.${index}.`);
      return {
        ...spec.layer(index),
        inputNorm: norm(w, 'input_layernorm', hidden),
        mlpNorm: norm(w, 'post_attention_layernorm', hidden),
      };
    },
    norm: norm(weights.model, 'norm', hidden),
    imagesSeeThemselves: true,
  };
}

export const paligemma: Family = {
  name: 'paligemma',
  modelTypes: ['paligemma'],
  parts: (config, weights) => {
    const text = textConfig(config);
    const type = text.text('model_type', 'gemma');
    if (type === 'gemma2')
      throw text.refuse('model_type', 'gemma: PaliGemma 2 cannot be built', 'unsupported-decoder');
    if (type !== 'gemma') throw text.refuse('model_type', 'gemma', 'unsupported-decoder');
    const language = languageModel(config, weights, { tied: true });
    const decoder = gemma(text, language);
    const { hidden } = decoder;
    const vision = config.section('vision_config');
    const { tower, projector } = visionWeights(weights);
    return {
      ...gemmaLanguage(decoder, language),
      vision: (g) => {
        const { normed, ...seen } = siglip(g, pixelInput(g, vision, 224), vision, tower, [-1]);
        const features = g.linear(normed(), linearOf(projector, 'linear', [hidden, seen.hidden]));
        const tokens = seen.side ** 2;
        g.output('image_features', g.toFloat32(features), DataType.FLOAT, ['num_images', tokens, hidden]);
      },
    };
  },
  // the whole prompt, and not an image alone, is of the type 1
  config: (config, { decoder }) => ({
    ...withTextConfig(config, 'gemma', decoder),
    token_type_ids: 'prompt',
  }),
};
