// Which tokens of a call are image tokens, and how they lie in their images: from the model's own configuration, the
// call's `input_ids` and, where a family has them, the sizes that its processor gives along.
import { FastvError } from '../errors.js';
import type { ImageTokens } from '../strategies/unlisted.js';
import { anyresOf, tokenGrids } from './pictures/anyres.js';
import { isHfTensor, isRecord, type ForwardInputs, type HfTensor } from './transformers.js';

type Config = Readonly<Record<string, unknown>>;

/** A run of tokens that is one image. */
export type ImageSpan = ImageTokens;

/** The names under which configurations keep the ids of image and video tokens. */
const ID_NAMES = ['image_token_id', 'image_token_index', 'video_token_id', 'video_token_index'];

/**
 * The ids that stand for image and video tokens.
 * @throws {FastvError} `unsupported-decoder` if the configuration names none
 */
export function imageTokenIds(config: Config): ReadonlySet<bigint> {
  const ids = ID_NAMES.map((name) => config[name])
    .filter(isTokenId)
    .map(BigInt);
  if (ids.length === 0) {
    throw new FastvError('unsupported-decoder', 'the configuration names no image token', {
      where: 'config.json',
      hint: `It should have one of ${ID_NAMES.join(', ')}.`,
    });
  }
  return new Set(ids);
}

function isTokenId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** true (1) at image tokens; `[batch, sequence]`, as `input_ids`. */
export function imageTokenMask(inputIds: HfTensor, ids: ReadonlySet<bigint>): Uint8Array {
  const { data } = inputIds;
  const mask = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const id = data[i];
    if (id !== undefined && ids.has(BigInt(id))) mask[i] = 1;
  }
  return mask;
}

/**
 * The images of one row.
 * @param mask the row's part of {@link imageTokenMask}
 * @param grids rows × columns of the images to come, consumed in order; where they run out, or do not fit, the
 *   configuration's tokens per image and squares are tried
 * @param apart whether each run of image tokens is known to be an image of its own ({@link runsAreImages})
 */
export function imageSpans(
  mask: Uint8Array,
  config: Config,
  grids: [number, number][] = [],
  apart = false,
): ImageSpan[] {
  const spans: ImageSpan[] = [];
  let unknown: number[][] = [];
  const guess = (): void => {
    // seen at twice its side, an image has as many tokens as four have at their own size
    if (apart) spans.push(...unknown.map(grid));
    else for (const run of joinRows(unknown, config)) spans.push(...imagesOf(run, config));
    unknown = [];
  };
  for (const run of runsOf(mask)) {
    const given = givenImages(run, grids);
    if (given === undefined) {
      unknown.push(run);
      continue;
    }
    guess();
    spans.push(...given);
  }
  guess();
  return spans;
}

/** Whether a call brings as many pictures as its rows have runs of image tokens, so that none is a row of another's. */
export function runsAreImages(mask: Uint8Array, sequence: number, inputs: ForwardInputs): boolean {
  const dims = inputs.pixel_values?.dims ?? [];
  if (dims.length < 4 || sequence === 0) return false;
  const pictures = dims.slice(0, -3).reduce((a, b) => a * b, 1);
  let runs = 0;
  for (let at = 0; at < mask.length; at += sequence) runs += runsOf(mask.subarray(at, at + sequence)).length;
  return runs === pictures;
}

/** Consecutive image tokens. */
function runsOf(mask: Uint8Array): number[][] {
  const runs: number[][] = [];
  mask.forEach((flag, position) => {
    if (flag === 0) return;
    const last = runs.at(-1);
    if (last?.at(-1) === position - 1) last.push(position);
    else runs.push([position]);
  });
  return runs;
}

interface Run {
  readonly positions: number[];
  /** Known when the rows of the image are marked by a token between them (Mistral3, Pixtral). */
  readonly columns?: number;
}

/** Joins runs that are rows of one image: the same length, with exactly one token between them. */
function joinRows(runs: number[][], config: Config): Run[] {
  const each = tokensPerImage(config) ?? Infinity;
  const joined: { positions: number[]; columns: number; rows: number }[] = [];
  for (const run of runs) {
    const last = joined.at(-1);
    const gap = last === undefined ? 0 : (run[0] ?? 0) - (last.positions.at(-1) ?? 0) - 1;
    // a square run of its own is a tile or an image, not a row, and so is one of the size that images have
    const whole = side(run.length) !== undefined || run.length % each === 0;
    if (last?.columns === run.length && gap === 1 && run.length > 1 && !whole) {
      last.positions.push(...run);
      last.rows++;
    } else joined.push({ positions: [...run], columns: run.length, rows: 1 });
  }
  return joined.map(({ positions, columns, rows }) => (rows > 1 ? { positions, columns } : { positions }));
}

/** The images of a run by the sizes that were given along with the call, if they fill it exactly. */
function givenImages(positions: readonly number[], grids: [number, number][]): ImageSpan[] | undefined {
  const given: ImageSpan[] = [];
  let at = 0;
  for (const [rows, columns] of grids) {
    if (at + rows * columns > positions.length) break;
    given.push({ positions: positions.slice(at, at + rows * columns), rows, columns });
    at += rows * columns;
  }
  if (at !== positions.length || given.length === 0) return undefined;
  grids.splice(0, given.length);
  return given;
}

function imagesOf(run: Run, config: Config): ImageSpan[] {
  const { positions } = run;
  if (run.columns !== undefined) {
    return [{ positions, rows: positions.length / run.columns, columns: run.columns }];
  }
  // several images of a fixed size one behind the other
  const each = tokensPerImage(config);
  if (each !== undefined && positions.length % each === 0) {
    return Array.from({ length: positions.length / each }, (_, i) =>
      grid(positions.slice(i * each, (i + 1) * each)),
    );
  }
  return [grid(positions)];
}

function grid(positions: readonly number[]): ImageSpan {
  const square = side(positions.length);
  return square === undefined
    ? { positions, rows: 1, columns: positions.length }
    : { positions, rows: square, columns: square };
}

function side(n: number): number | undefined {
  const root = Math.round(Math.sqrt(n));
  return root * root === n ? root : undefined;
}

/** The fixed number of tokens of an image (or tile), where a family has one. */
function tokensPerImage(config: Config): number | undefined {
  const vision = isRecord(config['vision_config']) ? config['vision_config'] : {};
  for (const value of [
    config['image_seq_length'],
    config['mm_tokens_per_image'],
    vision['num_image_tokens'],
  ]) {
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value;
  }
  const size = vision['image_size'];
  const patch = vision['patch_size'];
  if (typeof size !== 'number' || typeof patch !== 'number' || !(patch > 0)) return undefined;
  const scale = typeof config['scale_factor'] === 'number' ? config['scale_factor'] : 1;
  const columns = size / patch / scale;
  return Number.isInteger(columns) && columns > 0 ? columns * columns : undefined;
}

/**
 * Rows × columns of a call's images from what its processor gave along: Qwen-VL's `image_grid_thw` and `video_grid_thw`
 * (each frame a grid), in the order in which `input_ids` has them, LFM2-VL's `spatial_shapes`, and LLaVA-NeXT's
 * `image_sizes` (a picture's copy, then its tiles).
 */
export function gridsOf(inputs: ForwardInputs, config: Config): [number, number][] {
  const vision = isRecord(config['vision_config']) ? config['vision_config'] : {};
  const merge = typeof vision['spatial_merge_size'] === 'number' ? vision['spatial_merge_size'] : 2;
  const framesOf = (name: string): [number, number][] => {
    const thw = inputs[name];
    const frames: [number, number][] = [];
    if (!isHfTensor(thw)) return frames;
    for (let i = 0; i + 2 < thw.data.length; i += 3) {
      const [t = 0, h = 0, w = 0] = [thw.data[i], thw.data[i + 1], thw.data[i + 2]].map(Number);
      for (let frame = 0; frame < t; frame++) frames.push([Math.floor(h / merge), Math.floor(w / merge)]);
    }
    return frames;
  };
  const grids = inOrder(framesOf('image_grid_thw'), framesOf('video_grid_thw'), inputs.input_ids, config);
  const [sizes, anyres] = [inputs['image_sizes'], anyresOf(config)];
  if (isHfTensor(sizes) && anyres !== undefined) {
    for (let i = 0; i + 1 < sizes.data.length; i += 2) {
      grids.push(...tokenGrids(Number(sizes.data[i]), Number(sizes.data[i + 1]), anyres));
    }
  }
  const shapes = inputs['spatial_shapes'];
  if (isHfTensor(shapes)) {
    const factor = typeof config['downsample_factor'] === 'number' ? config['downsample_factor'] : 2;
    for (let i = 0; i + 1 < shapes.data.length; i += 2) {
      const [h = 0, w = 0] = [shapes.data[i], shapes.data[i + 1]].map(Number);
      grids.push([Math.ceil(h / factor), Math.ceil(w / factor)]);
    }
  }
  return grids;
}

/** Grids of images and of video frames as their tokens come in `input_ids`; images first where that is not known. */
function inOrder(
  images: [number, number][],
  frames: [number, number][],
  ids: HfTensor | null | undefined,
  config: Config,
): [number, number][] {
  const video = [config['video_token_id'], config['video_token_index']].find(isTokenId);
  if (!ids || video === undefined || images.length === 0 || frames.length === 0)
    return [...images, ...frames];
  const all = imageTokenIds(config);
  const rest = { images: [...images], frames: [...frames] };
  const grids: [number, number][] = [];
  let left = 0;
  for (const id of Array.from(ids.data, BigInt)) {
    if (!all.has(id)) continue;
    if (left === 0) {
      const next = (id === BigInt(video) ? rest.frames : rest.images).shift();
      if (next === undefined) break;
      grids.push(next);
      left = next[0] * next[1];
    }
    left--;
  }
  return [...grids, ...rest.images, ...rest.frames];
}
