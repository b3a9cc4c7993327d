// LLaVA-NeXT (llava-vl.github.io/blog/2024-01-30-llava-next) and LLaVA-OneVision (arXiv 2408.03326): LLaVA with pictures
// in tiles. The vision encoder takes one picture: its tiles, and its size in image_sizes.
import { DataType } from '../../onnx/tensor.js';
import type { Config } from '../checkpoint/config.js';
import { anyres } from '../parts/connectors/anyres.js';
import type { Weights } from '../weights.js';
import { textConfig, withTextConfig, type Family, type FamilyParts } from './family.js';
import { llavaParts, projected, visionWeights } from './llava.js';

/** What differs between the two. */
interface Defaults {
  /** The decoder's type. */
  readonly text: string;
  readonly layer: number;
  readonly strategy: string;
  readonly image: number;
  readonly patch: number;
  readonly pinpoints: readonly (readonly [number, number])[];
  /** Whether a map that is too large is shrunk. */
  readonly limited: boolean;
}

function anyresParts(config: Config, weights: Weights, defaults: Defaults): FamilyParts {
  const parts = llavaParts(config, weights, { text: defaults.text });
  const { hidden } = parts.decoder;
  const vision = config.section('vision_config');
  const { tower, projector } = visionWeights(weights);
  const newline = weights.under('', 'model.').get('image_newline', hidden);
  const most = defaults.limited ? mostTiles(config) : undefined;
  return {
    ...parts,
    vision: (g) => {
      const { emit } = g;
      const tile = vision.side('image_size', defaults.image);
      const side = Math.floor(tile / vision.side('patch_size', defaults.patch));
      const pixels = g.input('pixel_values', DataType.FLOAT, [1, 'num_tiles', 3, tile, tile]);
      const sizes = g.input('image_sizes', DataType.INT64, [1, 2]);
      const tiles = emit.reshape(g.toFloat(pixels), emit.ints(-1, 3, tile, tile));
      const features = projected(g, tiles, config, { vision, tower, projector, hidden }, defaults);
      const pinpoints = pinpointsOf(config, defaults.pinpoints);
      const all = anyres(g, features, sizes, {
        pinpoints, tile, side, width: hidden, newline, ...(most === undefined ? {} : { most }),
      }); // prettier-ignore
      g.output('image_features', g.toFloat32(all), DataType.FLOAT, ['num_tokens', hidden]);
    },
  };
}

function pinpointsOf(config: Config, otherwise: Defaults['pinpoints']): Defaults['pinpoints'] {
  const given = config.fields['image_grid_pinpoints'] ?? otherwise;
  const isPair = (pair: unknown): pair is [number, number] =>
    Array.isArray(pair) &&
    pair.length === 2 &&
    pair.every((n) => Number.isSafeInteger(n) && n > 0 && n < 65536);
  if (!Array.isArray(given) || given.length === 0 || given.length > 4096 || !given.every(isPair)) {
    throw config.refuse('image_grid_pinpoints', 'a list of heights and widths');
  }
  return given;
}

/** `anyres_max_9`: nine tiles' worth of tokens. */
function mostTiles(config: Config): number | undefined {
  const name = config.text('vision_aspect_ratio', 'anyres_max_9');
  const most = /^anyres_max_(\d{1,3})$/u.exec(name)?.[1];
  if (most === undefined && name !== 'anyres') {
    throw config.refuse('vision_aspect_ratio', 'anyres or anyres_max_N', 'unsupported-decoder');
  }
  return most === undefined ? undefined : Number(most);
}

const square = (side: number, most: number): [number, number][] =>
  Array.from({ length: most * most }, (_, i) => [side * (Math.floor(i / most) + 1), side * ((i % most) + 1)]);

export const llavaNext: Family = {
  name: 'llava_next',
  modelTypes: ['llava_next'],
  parts: (config, weights) =>
    anyresParts(config, weights, {
      text: 'llama',
      layer: -2,
      strategy: 'default',
      image: 336,
      patch: 14,
      pinpoints: [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
      limited: false,
    }), // prettier-ignore
  config: (config, { decoder }) =>
    withTextConfig(config, textConfig(config).text('model_type', 'llama'), decoder),
};

export const llavaOnevision: Family = {
  name: 'llava_onevision',
  modelTypes: ['llava_onevision'],
  parts: (config, weights) =>
    anyresParts(config, weights, {
      text: 'qwen2',
      layer: -1,
      strategy: 'full',
      image: 384,
      patch: 14,
      pinpoints: square(384, 6),
      limited: true,
    }),
  config: (config, { decoder }) =>
    withTextConfig(config, textConfig(config).text('model_type', 'qwen2'), decoder),
};
