// LLaVA-NeXT (llava-vl.github.io/blog/2024-01-30-llava-next) and LLaVA-OneVision (arXiv 2408.03326): LLaVA with pictures
// in tiles. The vision encoder takes one picture: its tiles, and its size in image_sizes.
import { DataType } from '../../onnx/tensor.js';
import type { Config } from '../checkpoint/config.js';
import { anyres } from '../parts/connectors/anyres.js';
import type { Weights } from '../weights.js';
import {
  asLlava,
  CLIP_LARGE,
  textConfig,
  visionConfig,
  withTextConfig,
  type Family,
  type FamilyParts,
  type Json,
} from './family.js';
import { llavaParts, llavaProcessor, projected, visionWeights } from './llava.js';

/** What differs between the two. */
interface Defaults {
  /** The decoder's type. */
  readonly text: string;
  readonly layer: number;
  readonly strategy: string;
  /** The tower's configuration where the file has none, and sizes that one may leave out. */
  readonly vision: Json;
  readonly image: number;
  readonly patch: number;
  readonly pinpoints: readonly (readonly [number, number])[];
  /** Whether a map that is too large is shrunk. */
  readonly limited: boolean;
}

function anyresParts(config: Config, weights: Weights, defaults: Defaults): FamilyParts {
  const parts = llavaParts(config, weights, { text: defaults.text, vision: defaults.vision });
  const { hidden } = parts.decoder;
  const vision = visionConfig(config, defaults.vision);
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

/** What the two leave to their classes. */
const NEXT: Defaults = {
  text: 'llama',
  layer: -2,
  strategy: 'default',
  vision: CLIP_LARGE,
  image: 336,
  patch: 14,
  pinpoints: [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
  limited: false,
}; // prettier-ignore
const ONEVISION: Defaults = {
  text: 'qwen2',
  layer: -1,
  strategy: 'full',
  vision: {
    model_type: 'siglip_vision_model',
    hidden_size: 1152,
    intermediate_size: 4304,
    num_hidden_layers: 26,
    num_attention_heads: 16,
    image_size: 384,
    patch_size: 14,
  },
  image: 384,
  patch: 14,
  pinpoints: square(384, 6),
  limited: true,
};

/** A family with what its processor and its class in src/runtime need to know of tiles. */
function family(name: string, defaults: Defaults): Family {
  const tiles = (config: Config): Json => {
    const vision = visionConfig(config, defaults.vision);
    const most = defaults.limited ? mostTiles(config) : undefined;
    return {
      image_grid_pinpoints: pinpointsOf(config, defaults.pinpoints),
      vision_aspect_ratio: most === undefined ? 'anyres' : `anyres_max_${most}`,
      vision_config: {
        ...vision.fields,
        image_size: vision.side('image_size', defaults.image),
        patch_size: vision.side('patch_size', defaults.patch),
      },
    };
  };
  return {
    name,
    modelTypes: [name],
    parts: (config, weights) => anyresParts(config, weights, defaults),
    config: (config, { decoder }) => ({
      ...withTextConfig(config, textConfig(config).text('model_type', defaults.text), decoder),
      ...tiles(config),
      ...asLlava(config),
    }),
    processor: (config, own) => ({ ...llavaProcessor(config, own, defaults.vision), ...tiles(config) }),
    preprocessor: (_, own) => ({
      ...own,
      image_processor_type: 'CLIPImageProcessor',
      processor_class: 'LlavaProcessor',
    }),
  };
}

export const llavaNext = family('llava_next', NEXT);
export const llavaOnevision = family('llava_onevision', ONEVISION);
