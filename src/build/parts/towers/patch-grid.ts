// Where the patches of Qwen-VL's processors are: all pictures and video frames stand one behind the other, each frame in
// blocks of merge × merge patches, blocks row by row. grid_thw has the frames, rows and columns of each picture.
import { DataType } from '../../../onnx/tensor.js';
import type { PartGraph } from '../../part.js';
import { made } from '../../source.js';
import { HIDDEN } from '../blocks.js';
import { inverseFrequencies } from '../decoders/rotary.js';

/** Of every patch, int64 [patches]. */
export interface PatchGrid {
  /** A number of its frame, that no other frame of any picture has. */
  readonly frame: string;
  readonly row: string;
  readonly column: string;
  /** Rows and columns of its picture, in patches. */
  readonly rows: string;
  readonly columns: string;
}

/** Frames of a picture, and windows a side of it, at most. */
const MOST_FRAMES = 2 ** 20;
const MOST_WINDOWS = 2 ** 12;

/**
 * @param patches has a row a patch
 * @param grid int64 [pictures, 3]
 */
export function patchGrid(g: PartGraph, patches: string, grid: string, merge: number): PatchGrid {
  const { emit } = g;
  const op = (name: string, a: string, b: string): string => emit.op(name, [a, b]);
  const [t, h, w] = [0, 1, 2].map((axis) => emit.gather(grid, emit.int(axis), 1));
  const size = op('Mul', t ?? '', op('Mul', h ?? '', w ?? ''));
  const ends = op('CumSum', size, emit.int(0));
  const index = emit.range(emit.dim(patches, 0));
  const after = op('GreaterOrEqual', emit.unsqueeze(index, 1), emit.unsqueeze(ends, 0)); // [patches, pictures]
  const picture = emit.reduce('ReduceSum', emit.cast(after, DataType.INT64), [1], false);
  const own = (values: string): string => emit.gather(values, picture, 0);
  const [rows, columns] = [own(h ?? ''), own(w ?? '')];
  const inPicture = op('Sub', index, own(op('Sub', ends, size)));
  const area = op('Mul', rows, columns);
  const inFrame = op('Mod', inPicture, area);
  const [side, block] = [emit.int(merge), emit.int(merge * merge)];
  const number = op('Div', inFrame, block);
  const inBlock = op('Mod', inFrame, block);
  const across = op('Div', columns, side);
  const place = (outer: string, inner: string): string =>
    op('Add', op('Mul', op(outer, number, across), side), op(inner, inBlock, side));
  return {
    frame: op('Add', op('Mul', picture, emit.int(MOST_FRAMES)), op('Div', inPicture, area)),
    row: place('Div', 'Div'),
    column: place('Mod', 'Mod'),
    rows,
    columns,
  };
}

/** A number of each patch's window: squares of so many patches a side, from the frame's upper left corner. */
export function windows(g: PartGraph, { frame, row, column }: PatchGrid, side: number): string {
  const { emit } = g;
  const most = emit.int(MOST_WINDOWS);
  const next = (number: string, place: string): string =>
    emit.op('Add', [emit.op('Mul', [number, most]), emit.op('Div', [place, emit.int(side)])]);
  return next(next(frame, row), column);
}

/** Patches see those with the same number: a bias [1, 1, patches, patches]. */
export function sameNumber(g: PartGraph, numbers: string): string {
  const { emit } = g;
  const same = emit.op('Equal', [emit.unsqueeze(numbers, 1), emit.unsqueeze(numbers, 0)]);
  const bias = emit.op('Where', [same, emit.float(0), emit.float(HIDDEN)]);
  return g.toFloat(emit.unsqueeze(bias, 0, 1));
}

/** cos and sin of a rotation by row and column, [patches, head size / 2] each: a quarter of a head each. */
export function planeRotation(
  g: PartGraph,
  { row, column }: PatchGrid,
  headSize: number,
): readonly [cos: string, sin: string] {
  const { emit } = g;
  const quarter = headSize / 4;
  const speeds = inverseFrequencies(10000, headSize / 2);
  const table = g.table(made('rotary/frequencies', [1, quarter], speeds));
  const angle = (place: string): string =>
    emit.op('Mul', [emit.unsqueeze(emit.castToFloat(place), 1), table]);
  const angles = emit.concat([angle(row), angle(column)], 1);
  return [g.toFloat(emit.op('Cos', [angles])), g.toFloat(emit.op('Sin', [angles]))];
}

/** A learned square grid of positions, resampled bilinearly (corners on corners) to each picture: [patches, hidden]. */
export function resampled(
  g: PartGraph,
  { row, column, rows, columns }: PatchGrid,
  table: string,
  side: number,
): string {
  const { emit } = g;
  const op = (name: string, ...inputs: string[]): string => emit.op(name, inputs);
  const along = (place: string, length: string): readonly [low: string, high: string, share: string] => {
    const gaps = op('Max', op('Sub', length, emit.int(1)), emit.int(1));
    const step = op('Div', emit.float(side - 1), emit.castToFloat(gaps));
    const at = op('Min', op('Mul', emit.castToFloat(place), step), emit.float(side - 1));
    const low = emit.cast(op('Floor', at), DataType.INT64);
    const high = op('Min', op('Add', low, emit.int(1)), emit.int(side - 1));
    return [low, high, op('Sub', at, op('Floor', at))];
  };
  const [top, bottom, down] = along(row, rows);
  const [left, right, across] = along(column, columns);
  const corner = (y: string, x: string, ...shares: string[]): string => {
    const share = shares.reduce((a, b) => op('Mul', a, b));
    const entry = emit.gather(table, op('Add', op('Mul', y, emit.int(side)), x), 0);
    return op('Mul', entry, g.toFloat(emit.unsqueeze(share, 1)));
  };
  const rest = (share: string): string => op('Sub', emit.float(1), share);
  return [
    corner(top, left, rest(down), rest(across)),
    corner(top, right, rest(down), across),
    corner(bottom, left, down, rest(across)),
    corner(bottom, right, down, across),
  ].reduce((a, b) => op('Add', a, b));
}
