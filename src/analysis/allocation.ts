/**
 * Where the attention of output tokens goes, averaged over answers: to the system prompt (everything
 * before the image), the image, the instruction (what is after it in the prompt), and earlier output.
 *
 * Source: FastV (arXiv 2403.06764), section 3.
 */
import { PARTS, type LayerAllocation, type Part } from './allocation-plot.js';

/** Which part each token of the prompt belongs to; what comes after the prompt is output. */
export function partsOfPrompt(isImage: readonly boolean[]): readonly Part[] {
  const first = isImage.indexOf(true);
  return isImage.map((image, i) => (image ? 'image' : first === -1 || i < first ? 'system' : 'instruction'));
}

export interface Allocation {
  readonly layers: readonly LayerAllocation[];
  /** Mean number of tokens of each part that could be attended to. */
  readonly tokens: Readonly<Record<Part, number>>;
  /** Rows that were averaged: one an output token. */
  readonly rows: number;
  /** By layer, the mean attention of each image token, by its place in the first image; for maps. */
  readonly imageMaps: readonly (readonly number[])[];
}

/** Adds up rows. */
export class AllocationSum {
  readonly #layers: Record<Part, number>[] = [];
  readonly #maps: number[][] = [];
  readonly #tokens: Record<Part, number> = { system: 0, image: 0, instruction: 0, output: 0 };
  #rows = 0;

  /**
   * Adds the attention that one output token pays.
   * @param rows by layer, the attention to each token so far; shorter than the prompt's parts never
   * @param prompt the parts of the prompt's tokens
   * @param firstImage positions of the first image's tokens, for the maps
   */
  add(rows: readonly Float32Array[], prompt: readonly Part[], firstImage: readonly number[] = []): void {
    this.#rows++;
    const length = rows[0]?.length ?? 0;
    for (let i = 0; i < length; i++) this.#tokens[prompt[i] ?? 'output']++;
    rows.forEach((row, layer) => {
      const sums = (this.#layers[layer] ??= { system: 0, image: 0, instruction: 0, output: 0 });
      const map = (this.#maps[layer] ??= []);
      row.forEach((value, i) => {
        sums[prompt[i] ?? 'output'] += value;
      });
      firstImage.forEach((position, place) => {
        map[place] = (map[place] ?? 0) + (row[position] ?? 0);
      });
    });
  }

  /** The means. A layer's parts sum to 1 (less where attention sinks take a share). */
  result(): Allocation {
    const n = Math.max(1, this.#rows);
    const mean = (sums: Readonly<Record<Part, number>>): Record<Part, number> => ({
      system: sums.system / n,
      image: sums.image / n,
      instruction: sums.instruction / n,
      output: sums.output / n,
    });
    return {
      layers: this.#layers.map(mean),
      tokens: mean(this.#tokens),
      rows: this.#rows,
      imageMaps: this.#maps.map((map) => map.map((v) => v / n)),
    };
  }
}

/** The attention that a token of each part gets, relative to an even share; null where there is no such token. */
export function efficiency(
  allocation: LayerAllocation,
  tokens: Readonly<Record<Part, number>>,
): Readonly<Record<Part, number | null>> {
  const total = PARTS.reduce((sum, part) => sum + tokens[part], 0);
  const of = (part: Part): number | null =>
    tokens[part] === 0 ? null : allocation[part] / (tokens[part] / total);
  return { system: of('system'), image: of('image'), instruction: of('instruction'), output: of('output') };
}
