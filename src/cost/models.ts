// Decoders of known vision-language models, each number from the configuration named beside it.
//
// Cache bytes are those of float16. Image tokens are given where an image always has the same number, or a square
// image always does; models with dynamic resolution have none, and a caller says how many there are.
import { FastvError } from '../errors.js';
import type { DecoderShape } from './shape.js';

/** A model that `fastv cost --model` knows. */
export interface KnownModel {
  readonly name: string;
  readonly shape: DecoderShape;
  /** Image tokens of one image, where that is fixed. */
  readonly imageTokens?: number;
  /** How they come about, or why they aren't fixed. */
  readonly imageTokensNote: string;
  /** The configuration that the numbers are from. */
  readonly source: string;
}

interface Row {
  name: string;
  layers: number;
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  mlp: number;
  vocab: number;
  window?: readonly (number | null)[];
  image?: number;
  note: string;
  source: string;
}

const DYNAMIC = 'dynamic resolution: 28×28 pixels a token (after the 2×2 merge)';
const DYNAMIC_32 = 'dynamic resolution: 32×32 pixels a token (after the 2×2 merge)';
const TILES = 'a square image at the default longest edge: 16 tiles and the whole';

/** Gemma 3: five layers with a window of 1,024 tokens, then one that sees everything. */
const gemma3Windows = Array.from({ length: 34 }, (_, layer) => ((layer + 1) % 6 === 0 ? null : 1024));

// prettier-ignore
const rows: readonly Row[] = [
  { name: 'llava-1.5-7b', layers: 32, hidden: 4096, heads: 32, kvHeads: 32, headDim: 128, mlp: 11008, vocab: 32064,
    image: 576, note: '24×24 patches', source: 'llava-hf/llava-1.5-7b-hf config.json' },
  { name: 'llava-1.5-13b', layers: 40, hidden: 5120, heads: 40, kvHeads: 40, headDim: 128, mlp: 13824, vocab: 32064,
    image: 576, note: '24×24 patches', source: 'llava-hf/llava-1.5-13b-hf config.json' },
  { name: 'qwen-vl-chat', layers: 32, hidden: 4096, heads: 32, kvHeads: 32, headDim: 128, mlp: 11008, vocab: 151936,
    image: 256, note: '256 queries of the resampler',
    source: 'Qwen/Qwen-VL-Chat config.json (its intermediate_size 22016 counts gate and up together)' },
  { name: 'qwen2-vl-2b', layers: 28, hidden: 1536, heads: 12, kvHeads: 2, headDim: 128, mlp: 8960, vocab: 151936,
    note: DYNAMIC, source: 'Qwen/Qwen2-VL-2B-Instruct config.json' },
  { name: 'qwen2-vl-7b', layers: 28, hidden: 3584, heads: 28, kvHeads: 4, headDim: 128, mlp: 18944, vocab: 152064,
    note: DYNAMIC, source: 'Qwen/Qwen2-VL-7B-Instruct config.json' },
  { name: 'qwen2.5-vl-3b', layers: 36, hidden: 2048, heads: 16, kvHeads: 2, headDim: 128, mlp: 11008, vocab: 151936,
    note: DYNAMIC, source: 'Qwen/Qwen2.5-VL-3B-Instruct config.json' },
  { name: 'qwen2.5-vl-7b', layers: 28, hidden: 3584, heads: 28, kvHeads: 4, headDim: 128, mlp: 18944, vocab: 152064,
    note: DYNAMIC, source: 'Qwen/Qwen2.5-VL-7B-Instruct config.json' },
  { name: 'qwen3-vl-2b', layers: 28, hidden: 2048, heads: 16, kvHeads: 8, headDim: 128, mlp: 6144, vocab: 151936,
    note: DYNAMIC_32, source: 'Qwen/Qwen3-VL-2B-Instruct config.json' },
  { name: 'qwen3-vl-4b', layers: 36, hidden: 2560, heads: 32, kvHeads: 8, headDim: 128, mlp: 9728, vocab: 151936,
    note: DYNAMIC_32, source: 'Qwen/Qwen3-VL-4B-Instruct config.json' },
  { name: 'qwen3-vl-8b', layers: 36, hidden: 4096, heads: 32, kvHeads: 8, headDim: 128, mlp: 12288, vocab: 151936,
    note: DYNAMIC_32, source: 'Qwen/Qwen3-VL-8B-Instruct config.json' },
  { name: 'smolvlm-256m', layers: 30, hidden: 576, heads: 9, kvHeads: 3, headDim: 64, mlp: 1536, vocab: 49280,
    image: 1088, note: `${TILES}, 64 tokens each`, source: 'HuggingFaceTB/SmolVLM-256M-Instruct config.json' },
  { name: 'smolvlm-500m', layers: 32, hidden: 960, heads: 15, kvHeads: 5, headDim: 64, mlp: 2560, vocab: 49280,
    image: 1088, note: `${TILES}, 64 tokens each`, source: 'HuggingFaceTB/SmolVLM-500M-Instruct config.json' },
  { name: 'smolvlm2-2.2b', layers: 24, hidden: 2048, heads: 32, kvHeads: 32, headDim: 64, mlp: 8192, vocab: 49280,
    image: 1377, note: `${TILES}, 81 tokens each`, source: 'HuggingFaceTB/SmolVLM2-2.2B-Instruct config.json' },
  { name: 'gemma-3-4b', layers: 34, hidden: 2560, heads: 8, kvHeads: 4, headDim: 256, mlp: 10240, vocab: 262208,
    window: gemma3Windows, image: 256, note: '64×64 patches pooled 4×4', source: 'google/gemma-3-4b-it config.json' },
  { name: 'paligemma-3b-224', layers: 18, hidden: 2048, heads: 8, kvHeads: 1, headDim: 256, mlp: 16384, vocab: 257216,
    image: 256, note: '16×16 patches', source: 'google/paligemma-3b-pt-224 config.json' },
  { name: 'paligemma-3b-448', layers: 18, hidden: 2048, heads: 8, kvHeads: 1, headDim: 256, mlp: 16384, vocab: 257216,
    image: 1024, note: '32×32 patches', source: 'google/paligemma-3b-pt-448 config.json' },
  { name: 'llava-onevision-0.5b', layers: 24, hidden: 896, heads: 14, kvHeads: 2, headDim: 64, mlp: 4864, vocab: 151936,
    note: '729 patches a tile, tiles by resolution', source: 'its language model, Qwen/Qwen2-0.5B config.json' },
  { name: 'llava-onevision-7b', layers: 28, hidden: 3584, heads: 28, kvHeads: 4, headDim: 128, mlp: 18944, vocab: 152064,
    note: '729 patches a tile, tiles by resolution', source: 'its language model, Qwen/Qwen2-7B config.json' },
];

/** Every model the table knows, in its order. */
export const KNOWN_MODELS: readonly KnownModel[] = rows.map(
  ({ name, window, image, note, source, ...shape }) => ({
    name,
    shape: {
      ...shape,
      mlpMatrices: 3,
      kvBytesPerElement: 2,
      ...(window === undefined ? {} : { slidingWindow: window }),
    },
    ...(image === undefined ? {} : { imageTokens: image }),
    imageTokensNote: note,
    source,
  }),
);

/**
 * The model of that name, whatever its case.
 * @throws {FastvError} `invalid-option`, listing the names
 * @example
 * const { shape, imageTokens } = knownModel('llava-1.5-7b');
 */
export function knownModel(name: string): KnownModel {
  const found = KNOWN_MODELS.find((model) => model.name === name.toLowerCase());
  if (found !== undefined) return found;
  throw new FastvError('invalid-option', `no model called ${JSON.stringify(name)} is known`, {
    where: '--model',
    hint: `known are ${KNOWN_MODELS.map((model) => model.name).join(', ')}; for any other, --decoder FILE`,
  });
}
