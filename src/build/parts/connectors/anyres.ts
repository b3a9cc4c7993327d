// Pictures of any resolution (LLaVA-NeXT): a small copy of the whole, and tiles in the grid that wastes least of it. The
// tiles' features are joined to one map, what was padded is cut off, and every row ends with a learned token.
//
// Sizes are computed in double precision, as Python does: a row more or less is another prompt.
import { DataType } from '../../../onnx/tensor.js';
import type { PartGraph } from '../../part.js';
import type { Source } from '../../source.js';

/** What anyres needs to know. */
export interface Anyres {
  /** Heights and widths that pictures may be brought to. */
  readonly pinpoints: readonly (readonly [height: number, width: number])[];
  /** A tile's side in pixels, and in tokens. */
  readonly tile: number;
  readonly side: number;
  readonly width: number;
  /** What ends a row: [width]. */
  readonly newline: Source;
  /** Tiles' worth of tokens at most, above which the map is shrunk; unlimited where it is not given. */
  readonly most?: number;
}

/**
 * The features of one picture: [tokens, width].
 * @param features [tiles, side², width], the whole picture's first
 * @param imageSizes int64 [1, 2]: height and width of the picture
 */
export function anyres(g: PartGraph, features: string, imageSizes: string, options: Anyres): string {
  const { emit } = g;
  const { pinpoints, tile, side, width } = options;
  const op = (name: string, ...inputs: string[]): string => emit.op(name, inputs);
  const sizes = emit.reshape(imageSizes, emit.ints(-1));
  const [height, across] = [emit.gather(sizes, emit.int(0), 0), emit.gather(sizes, emit.int(1), 0)];
  const [bestHeight, bestWidth] = bestResolution(g, pinpoints, height, across);
  const [rows, columns] = [bestHeight, bestWidth].map((length) => op('Div', length, emit.int(tile)));
  const one = (x: string): string => emit.reshape(x, emit.ints(1));

  const base = emit.reshape(emit.slice(features, emit.ints(0), emit.ints(1), 0), emit.ints(-1, width));
  const count = op('Add', op('Mul', rows ?? '', columns ?? ''), emit.int(1));
  const tiles = emit.slice(features, emit.ints(1), one(count), 0);
  // [rows, columns, side, side, width] to one map [1, width, height, width]
  const [r, c, s] = [one(rows ?? ''), one(columns ?? ''), emit.ints(side)];
  const apart = emit.reshape(tiles, emit.concat([r, c, s, s, emit.ints(width)], 0));
  const joined = emit.transpose(apart, 4, 0, 2, 1, 3);
  const [mapHeight, mapWidth] = [rows, columns].map((n) => op('Mul', n ?? '', emit.int(side)));
  const shape = emit.concat([emit.ints(1, width), one(mapHeight ?? ''), one(mapWidth ?? '')], 0);
  const map = unpadded(g, emit.reshape(joined, shape), {
    height,
    across,
    mapHeight: mapHeight ?? '',
    mapWidth: mapWidth ?? '',
  });
  const shrunk = options.most === undefined ? map : limited(g, map, options.most * side * side);

  const newline = g.weight(options.newline.reshape(1, width, 1, 1));
  const column = emit.op('Expand', [
    newline,
    emit.concat([emit.ints(1, width), emit.dim1(shrunk, 2), emit.ints(1)], 0),
  ]);
  const ended = emit.concat([shrunk, column], 3);
  const tokens = emit.transpose(emit.reshape(ended, emit.ints(width, -1)), 1, 0);
  return emit.concat([base, tokens], 0);
}

/** transformers' select_best_resolution: the most of the picture, then the least wasted; the first of equals. */
function bestResolution(
  g: PartGraph,
  pinpoints: Anyres['pinpoints'],
  height: string,
  width: string,
): readonly [height: string, width: string] {
  const { emit } = g;
  const op = (name: string, ...inputs: string[]): string => emit.op(name, inputs);
  const double = (x: string): string => emit.cast(x, DataType.DOUBLE);
  const heights = emit.ints(...pinpoints.map(([h]) => h));
  const widths = emit.ints(...pinpoints.map(([, w]) => w));
  const scale = op(
    'Min',
    op('Div', double(widths), double(width)),
    op('Div', double(heights), double(height)),
  );
  const scaled = (length: string): string =>
    emit.cast(op('Floor', op('Mul', double(length), scale)), DataType.INT64);
  const effective = op('Min', op('Mul', scaled(width), scaled(height)), op('Mul', width, height));
  const wasted = op('Sub', op('Mul', heights, widths), effective);
  const most = Math.max(...pinpoints.map(([h, w]) => h * w)) + 1;
  const score = op('Sub', op('Mul', effective, emit.int(most)), wasted);
  const best = emit.op('ArgMax', [double(score)], { attributes: { axis: 0n, keepdims: 0n } });
  return [emit.gather(heights, best, 0), emit.gather(widths, best, 0)];
}

/** transformers' unpad_image: cuts off what kept the picture's aspect. */
function unpadded(
  g: PartGraph,
  map: string,
  {
    height,
    across,
    mapHeight,
    mapWidth,
  }: {
    readonly height: string;
    readonly across: string;
    readonly mapHeight: string;
    readonly mapWidth: string;
  },
): string {
  const { emit } = g;
  const op = (name: string, ...inputs: string[]): string => emit.op(name, inputs);
  const double = (x: string): string => emit.cast(x, DataType.DOUBLE);
  const ratio = (a: string, b: string): string => op('Div', double(a), double(b));
  const wider = op('Greater', ratio(across, height), ratio(mapWidth, mapHeight));
  /** What is cut off at each end of an axis, where the other axis is full. */
  const cut = (length: string, full: string, other: string, otherFull: string): string => {
    const exact = op('Mul', double(length), ratio(otherFull, other));
    const rounded = op('Div', op('Round', op('Mul', exact, emit.double(1e7))), emit.double(1e7));
    const kept = emit.cast(op('Floor', rounded), DataType.INT64);
    return op('Div', op('Sub', full, kept), emit.int(2));
  };
  const zero = emit.int(0);
  const top = op('Where', wider, cut(height, mapHeight, across, mapWidth), zero);
  const left = op('Where', wider, zero, cut(across, mapWidth, height, mapHeight));
  const one = (x: string): string => emit.reshape(x, emit.ints(1));
  const rows = emit.slice(map, one(top), one(op('Sub', mapHeight, top)), 2);
  return emit.slice(rows, one(left), one(op('Sub', mapWidth, left)), 3);
}

/** LLaVA-OneVision's limit: a map that is more than a tenth too long on each side is shrunk, bilinearly. */
function limited(g: PartGraph, map: string, most: number): string {
  const { emit } = g;
  const op = (name: string, ...inputs: string[]): string => emit.op(name, inputs);
  const double = (x: string): string => emit.cast(x, DataType.DOUBLE);
  const [height, width] = [emit.dim1(map, 2), emit.dim1(map, 3)];
  const ratio = op('Sqrt', op('Div', double(op('Mul', height, width)), emit.double(most)));
  const large = op('Greater', ratio, emit.double(1.1));
  const shrunk = (length: string): string => {
    const less = emit.cast(op('Floor', op('Div', double(length), ratio)), DataType.INT64);
    return op('Where', large, less, length);
  };
  const sizes = emit.concat([emit.dim1(map, 0), emit.dim1(map, 1), shrunk(height), shrunk(width)], 0);
  const wide = g.toFloat32(map);
  const resized = emit.op('Resize', [wide, '', '', sizes], {
    attributes: { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
  });
  return g.toFloat(resized);
}
