/**
 * Models on the hub that Transformers.js loads and fastv prunes. A short list: what is said of each is documented where
 * `source` says, or computed; what is neither is null.
 */
import { KNOWN_MODELS } from '../../cost/models.js';
import { compareCost } from '../../cost/compare.js';
import { layerWeights, type DecoderShape } from '../../cost/shape.js';

/** A model of the list. */
export interface CuratedModel {
  readonly name: string;
  readonly licence: string;
  /**
   * Whether terms must be accepted first. None of these: Transformers.js's own demos load them in a browser, without a
   * token. What the hub says today: `fastv models NAME --allow-network`.
   */
  readonly gated: boolean;
  /** Parameters of the decoder, LM head included; null where its shape isn't known here. */
  readonly decoderParameters: number | null;
  /** Megabytes (10⁶) of decoder_model_merged by dtype, as the hub's page shows them; external data included. */
  readonly decoderMegabytes: Readonly<Record<string, number>>;
  /** Image tokens of a photo of 1024×768; null where the geometry isn't known here. */
  readonly photoTokens: number | null;
  /** Share of the exact prefill FLOPs that K = 2, R = 50 % saves on such a photo and 36 other tokens. */
  readonly flopsSaved: number | null;
  readonly source: string;
}

/** The photo that token counts are given for. */
const PHOTO = { width: 1024, height: 768 } as const;
const TEXT_TOKENS = 36;

interface Row {
  readonly name: string;
  readonly licence: string;
  /** Its name in src/cost/models.ts. */
  readonly known?: string;
  readonly photoTokens?: number;
  readonly megabytes: Readonly<Record<string, number>>;
  readonly source: string;
}

const FILES = "the file list on the model's page";

// prettier-ignore
const ROWS: readonly Row[] = [
  { name: 'HuggingFaceTB/SmolVLM-256M-Instruct', licence: 'apache-2.0', known: 'smolvlm-256m',
    photoTokens: tiles(2048, 512, 64),
    megabytes: { fp32: 541, fp16: 271, q8: 138, q4: 86.9, q4f16: 77.4 }, source: FILES },
  { name: 'HuggingFaceTB/SmolVLM-500M-Instruct', licence: 'apache-2.0', known: 'smolvlm-500m',
    photoTokens: tiles(2048, 512, 64), megabytes: {}, source: FILES },
  { name: 'llava-hf/llava-onevision-qwen2-0.5b-ov-hf', licence: 'apache-2.0', known: 'llava-onevision-0.5b',
    megabytes: { fp32: 1990, fp16: 997, q8: 512, q4: 327, q4f16: 287 }, source: FILES },
  { name: 'onnx-community/FastVLM-0.5B-ONNX', licence: 'apple-amlr',
    megabytes: { fp32: 1980, fp16: 992, q8: 503, q4: 317, q4f16: 282 }, source: FILES },
  { name: 'onnx-community/Qwen2-VL-2B-Instruct', licence: 'apache-2.0', known: 'qwen2-vl-2b',
    photoTokens: patches(28), megabytes: {}, source: FILES },
];

/** The list, in the order of its sizes. */
export const CURATED_MODELS: readonly CuratedModel[] = ROWS.map(
  ({ name, licence, known, photoTokens = null, megabytes, source }) => {
    const shape = KNOWN_MODELS.find((model) => model.name === known)?.shape;
    return {
      name,
      licence,
      gated: false,
      decoderParameters: shape === undefined ? null : parametersOf(shape),
      decoderMegabytes: megabytes,
      photoTokens,
      flopsSaved: shape === undefined || photoTokens === null ? null : savedBy(shape, photoTokens),
      source,
    };
  },
);

/** Idefics 3 and SmolVLM: the longer edge becomes `edge` pixels, then there are tiles and the whole. */
function tiles(edge: number, tile: number, tokens: number): number {
  const scale = edge / Math.max(PHOTO.width, PHOTO.height);
  const across = Math.ceil((PHOTO.width * scale) / tile);
  const down = Math.ceil((PHOTO.height * scale) / tile);
  return (across * down + 1) * tokens;
}

/** Qwen2-VL: sides are rounded to whole patches. */
function patches(pixels: number): number {
  return Math.round(PHOTO.width / pixels) * Math.round(PHOTO.height / pixels);
}

function parametersOf(shape: DecoderShape): number {
  const { query, keyValue, output, mlp } = layerWeights(shape);
  return shape.layers * (query + keyValue + output + mlp) + shape.vocab * shape.hidden;
}

function savedBy(shape: DecoderShape, image: number): number {
  const { prefill } = compareCost(shape, { image, text: TEXT_TOKENS }, [{ layer: 2, ratio: 0.5 }]);
  return 1 - prefill.after.total / prefill.before.total;
}
