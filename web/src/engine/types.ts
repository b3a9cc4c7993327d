// What the page and its worker say to each other: plain data only.
import type { StrategyName } from '../../../src/browser.js';

/** Where a model runs. */
export type Device = 'wasm' | 'webgpu';

/** Which weights, in Transformers.js's names. */
export type Dtype = 'fp32' | 'fp16' | 'q8' | 'q4' | 'q4f16';

/** A model, and how its decoder is cut. */
export interface LoadRequest {
  /** A name on the hub, or {@link BUNDLED}. */
  readonly model: string;
  readonly device: Device;
  readonly dtype: Dtype;
  /** K of each stage; `depth` means: so many layers of a hundred. */
  readonly layers: readonly number[] | { readonly percentOfDepth: readonly number[] };
  readonly strategy: StrategyName;
}

/** The model that comes with the page. */
export const BUNDLED = 'scenes-llava';

/** What a load tells as it goes on. */
export interface LoadProgress {
  readonly loaded: number;
  readonly total: number;
}

/** A model that is ready. */
export interface LoadedModel {
  /** Layers of its decoder. */
  readonly depth: number;
  /** K of each stage. */
  readonly layers: readonly number[];
  /** Whether it sees only the middle square of a picture. */
  readonly cropsSquare: boolean;
  readonly threads: number;
  /** What the plug had to say. */
  readonly warnings: readonly string[];
}

/** RGBA pixels, row by row, as canvases have them. */
export interface Pixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** One question. */
export interface Question {
  readonly pixels: Pixels;
  readonly text: string;
  /** R of each stage. */
  readonly ratios: readonly number[];
  readonly seed: number;
  readonly maxNewTokens: number;
}

/** One image among the prompt's tokens, or a tile of one: a grid of patches. */
export interface Patches {
  readonly rows: number;
  readonly columns: number;
  /** Patches, row by row, that are still seen. */
  readonly kept: readonly number[];
}

/** An answer and what it took. */
export interface Answered {
  readonly text: string;
  readonly tokens: number;
  /** Milliseconds. */
  readonly ttft: number;
  readonly vision: number;
  readonly prefill: number;
  readonly tokensPerSecond: number | null;
  /** The paper's FLOPs of what each layer saw, over those of the whole prompt. */
  readonly flopsRatio: number | null;
  readonly kvBytes: { readonly pruned: number; readonly full: number };
  /** Tokens that each layer saw. */
  readonly layerTokens: readonly number[];
  readonly imageTokens: number;
  readonly keptImageTokens: number;
  /** What is seen from each stage's layer on, image by image. */
  readonly stages: readonly { readonly layer: number; readonly images: readonly Patches[] }[];
}

/** Attention of the last token to each patch, layer by layer, as shares of all that the token pays. */
export interface AttentionMaps {
  readonly rows: number;
  readonly columns: number;
  readonly layers: readonly (readonly number[])[];
}
