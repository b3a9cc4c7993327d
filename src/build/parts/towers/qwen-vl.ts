// What the towers of Qwen2-VL, Qwen2.5-VL and Qwen3-VL share: patches of any number, rotated by row and column, that see
// their own frame, or the window in it; and mergers, which make one token of a block.
import { MICROSOFT } from '../../../onnx/emit.js';
import { DataType } from '../../../onnx/tensor.js';
import type { Config } from '../../checkpoint/config.js';
import type { Linear, PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { linearOf, towerAttention } from '../blocks.js';
import { patchGrid, planeRotation, type PatchGrid } from './patch-grid.js';

/** The measures of a tower. */
export interface QwenTower {
  readonly hidden: number;
  readonly heads: number;
  readonly layers: number;
  /** Patches a side of a block. */
  readonly merge: number;
}

/** The tower's input, [1, patches, hidden], and where its patches are. */
export function qwenPatches(
  g: PartGraph,
  vision: Config,
  w: Scope,
  {
    hidden,
    merge,
    patch,
    bias,
    gridName,
  }: {
    readonly hidden: number;
    readonly merge: number;
    /** The class's default side of a patch. */
    readonly patch: number;
    readonly bias: boolean;
    readonly gridName: string;
  },
): { readonly x: string; readonly grid: PatchGrid } {
  const { emit } = g;
  const side = vision.int('patch_size', patch);
  const frames = vision.int('temporal_patch_size', 2);
  const channels = vision.int('in_channels', vision.int('in_chans', 3));
  const values = channels * frames * side * side;
  const pixels = g.toFloat(g.input('pixel_values', DataType.FLOAT, ['num_patches', values]));
  const thw = g.input(gridName, DataType.INT64, ['num_images', 3]);
  const kernel = linearOf(w, 'patch_embed.proj', [hidden, channels, frames, side, side], bias);
  const inputs = [
    pixels,
    kernel.weight.reshape(hidden, values),
    ...(kernel.bias === undefined ? [] : [kernel.bias]),
  ];
  const names = inputs.map((input) => (typeof input === 'string' ? input : g.weight(input)));
  const x = emit.op('Gemm', names, { attributes: { transB: 1n } });
  return { x: emit.unsqueeze(x, 0), grid: patchGrid(g, pixels, thw, merge) };
}

/** Attention with one weight for q, k and v, both rotated. */
export function qwenAttention(
  g: PartGraph,
  { hidden, heads }: QwenTower,
  grid: PatchGrid,
): (x: string, w: Scope, bias: string) => string {
  const { emit } = g;
  const [cos, sin] = planeRotation(g, grid, hidden / heads);
  const places = emit.unsqueeze(emit.range(emit.dim(grid.frame, 0)), 0);
  const rotate = (x: string): string =>
    emit.op('RotaryEmbedding', [x, places, cos, sin], {
      domain: MICROSOFT,
      attributes: { num_heads: BigInt(heads) },
    });
  return (x, w, bias) => {
    const { weight, bias: added } = linearOf(w, 'attn.qkv', [3 * hidden, hidden]);
    const third = (i: number, name: string): string => {
      const part: Linear = {
        weight: weight.rows(i * hidden, (i + 1) * hidden, name),
        bias: added?.rows(i * hidden, (i + 1) * hidden, name),
      };
      return g.linear(x, part);
    };
    const qkv = [rotate(third(0, 'q')), rotate(third(1, 'k')), third(2, 'v')] as const;
    return g.linear(towerAttention(g, qkv, heads, { bias }), linearOf(w, 'attn.proj', [hidden, hidden]));
  };
}

/** The patches of a block side by side: [1, patches, hidden] to [blocks, merge² · hidden]. */
export function blocks(g: PartGraph, x: string, { hidden, merge }: QwenTower): string {
  return g.emit.reshape(x, g.emit.ints(-1, merge * merge * hidden));
}

/** The measures of a configuration. @throws {FastvError} `malformed-model` where heads do not divide the width */
export function qwenTower(
  vision: Config,
  { width, hidden, layers }: { readonly width: string; readonly hidden: number; readonly layers: number },
): QwenTower {
  const tower = {
    hidden: vision.int(width, hidden),
    heads: vision.int('num_heads', 16),
    layers: vision.int('depth', layers),
    merge: vision.int('spatial_merge_size', 2),
  };
  if (tower.hidden % (4 * tower.heads) !== 0) throw vision.refuse('num_heads', `${tower.hidden} / 4n`);
  return tower;
}
