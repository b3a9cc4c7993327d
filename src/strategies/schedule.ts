// Schedules: at which layers how much stays. Layers are shares of a decoder's depth, so that a schedule made for 32 layers
// fits one of 8; what stays is a share of the original number of image tokens.

/** A stage of a schedule. */
export interface ScheduledStage {
  /** K over the number of layers. */
  readonly depth: number;
  /** The share of the original image tokens that goes on from there. */
  readonly keep: number;
}

export const SCHEDULES = {
  /** PyramidDrop (arXiv 2410.17247): half of what is left goes at every quarter. */
  pyramid: [
    { depth: 8 / 32, keep: 1 / 2 },
    { depth: 16 / 32, keep: 1 / 4 },
    { depth: 24 / 32, keep: 1 / 8 },
  ],
  /** Later and harder (VScan, arXiv 2505.22654, and IVC-Prune prune in the middle). */
  late: [{ depth: 16 / 32, keep: 1 / 10 }],
  /** SparseVLM (arXiv 2410.04417): 300, 200 and 110 of LLaVA-1.5's 576 tokens, its "192" on average. */
  sparsevlm: [
    { depth: 2 / 32, keep: 300 / 576 },
    { depth: 6 / 32, keep: 200 / 576 },
    { depth: 15 / 32, keep: 110 / 576 },
  ],
  /** V2Drop (arXiv 2509.01552): half, half of that, and one token. */
  v2drop: [
    { depth: 3 / 32, keep: 1 / 2 },
    { depth: 17 / 32, keep: 1 / 4 },
    { depth: 22 / 32, keep: 1 / 576 },
  ],
  /** A set of tokens from a quarter of the depth on, and none from two thirds on, where no image is looked at any more. */
  horizon: [
    { depth: 1 / 4, keep: 1 / 4 },
    { depth: 2 / 3, keep: 0 },
  ],
} as const satisfies Readonly<Record<string, readonly ScheduledStage[]>>;

/** The name of a schedule. */
export type ScheduleName = keyof typeof SCHEDULES;

/** K and R of each stage. */
export interface Stages {
  readonly layers: readonly number[];
  readonly ratios: readonly number[];
}

/**
 * A schedule in a decoder of so many layers. Stages that come to lie at one layer are one, with the smaller share.
 * @param scale what all shares are multiplied by, 1 at most each
 * @example
 * stagesOf('pyramid', 32); // { layers: [8, 16, 24], ratios: [0.5, 0.5, 0.5] }
 */
export function stagesOf(name: ScheduleName, layers: number, scale = 1): Stages {
  const kept = new Map<number, number>();
  for (const { depth, keep } of SCHEDULES[name])
    kept.set(Math.min(Math.max(1, Math.round(depth * layers)), layers - 1), Math.min(1, keep * scale));
  let before = 1;
  const ratios = [...kept.values()].map((keep) => {
    const share = before === 0 ? 0 : Math.max(0, 1 - keep / before);
    before = Math.min(before, keep);
    return share;
  });
  return { layers: [...kept.keys()], ratios };
}

/** The share of image tokens that a layer sees on average. */
export function meanShare({ layers: cuts, ratios }: Stages, layers: number): number {
  let [sum, share, from] = [0, 1, 0];
  cuts.forEach((cut, i) => {
    sum += share * (cut - from);
    share *= 1 - (ratios[i] ?? 0);
    from = cut;
  });
  return (sum + share * (layers - from)) / layers;
}

/**
 * A schedule whose layers see a given share of the image tokens on average, all its shares scaled alike.
 * @returns undefined where its first layers see more than that already
 * @example
 * stagesOfMean('pyramid', 32, 0.5)?.ratios;
 */
export function stagesOfMean(name: ScheduleName, layers: number, mean: number): Stages | undefined {
  if (meanShare(stagesOf(name, layers, 0), layers) > mean) return undefined;
  let [low, high] = [0, 1024];
  // a bisection: the mean grows with the scale
  for (let turn = 0; turn < 60; turn++) {
    const middle = (low + high) / 2;
    if (meanShare(stagesOf(name, layers, middle), layers) > mean) high = middle;
    else low = middle;
  }
  return stagesOf(name, layers, low);
}
