// SmolVLM (arXiv 2504.05299) and Idefics3 (arXiv 2408.12637): pictures in tiles, SigLIP, pixel shuffle, LLaMA.
import { DataType } from '../../onnx/tensor.js';
import type { Config } from '../checkpoint/config.js';
import type { PartGraph } from '../part.js';
import { pixelShuffle } from '../parts/connectors/pixel-shuffle.js';
import { linearOf } from '../parts/blocks.js';
import { textDecoder } from '../parts/decoders/text-decoder.js';
import { IDEFICS3, siglip } from '../parts/towers/siglip.js';
import type { Scope, Weights } from '../weights.js';
import { languageModel, textConfig, withTextConfig, type Family, type FamilyParts } from './family.js';

function parts(config: Config, weights: Weights): FamilyParts {
  const language = languageModel(config, weights, { model: ['model.text_model.'], head: ['', 'model.'] });
  const decoder = textDecoder(textConfig(config), language);
  const { vocabulary, hidden } = decoder;
  const [tower, connector] = [weights.under('model.vision_model.'), weights.under('model.connector.')];
  return {
    decoder,
    embeddings: language.model.get('embed_tokens.weight', vocabulary, hidden),
    vision: (g) => {
      const features = tiles(g, config, { tower, connector, hidden });
      g.output('image_features', g.toFloat32(features), DataType.FLOAT, ['num_tiles', 'num_tokens', hidden]);
    },
  };
}

/** Tiles [rows, tiles, 3, side, side] of which those that only fill up a row are left out. */
function tiles(
  g: PartGraph,
  config: Config,
  { tower, connector, hidden }: { readonly tower: Scope; readonly connector: Scope; readonly hidden: number },
): string {
  const { emit } = g;
  const vision = config.section('vision_config');
  const side = vision.side('image_size', IDEFICS3.image);
  const axes = ['batch_size', 'num_tiles'];
  const pixels = g.input('pixel_values', DataType.FLOAT, [...axes, 3, side, side]);
  const mask = g.input('pixel_attention_mask', DataType.BOOL, [...axes, side, side]);
  const used = emit.reduce(
    'ReduceMax',
    emit.reshape(emit.cast(mask, DataType.INT32), emit.ints(-1, side * side)),
    [1],
    false,
  );
  const all = emit.reshape(pixels, emit.ints(-1, 3, side, side));
  const real = emit.op('Compress', [all, emit.cast(used, DataType.BOOL)], { attributes: { axis: 0n } });

  const { normed, ...seen } = siglip(g, g.toFloat(real), vision, tower, [-1], IDEFICS3);
  const scale = config.int('scale_factor', 2);
  if (seen.side % scale !== 0) throw config.refuse('scale_factor', `a divisor of ${seen.side}`);
  const shuffled = pixelShuffle(g, normed(), { side: seen.side, scale, hidden: seen.hidden });
  return g.linear(
    shuffled,
    linearOf(connector, 'modality_projection.proj', [hidden, scale * scale * seen.hidden], false),
  );
}

export const smolvlm: Family = {
  name: 'smolvlm',
  modelTypes: ['idefics3', 'smolvlm'],
  parts,
  config: (config, { decoder }) =>
    withTextConfig(config, textConfig(config).text('model_type', 'llama'), decoder),
};
