// Idefics3's connector (arXiv 2408.12637): squares of scale × scale patches become one token of so many times the width.
import type { PartGraph } from '../../part.js';

/** [images, side · side, hidden] to [images, (side / scale)², scale² · hidden]. */
export function pixelShuffle(
  g: PartGraph,
  x: string,
  { side, scale, hidden }: { readonly side: number; readonly scale: number; readonly hidden: number },
): string {
  const { emit } = g;
  const small = side / scale;
  const apart = emit.reshape(x, emit.ints(-1, small, scale, small, scale * hidden));
  return emit.reshape(
    emit.transpose(apart, 0, 1, 3, 2, 4),
    emit.ints(-1, small * small, scale * scale * hidden),
  );
}
