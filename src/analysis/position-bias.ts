/**
 * Where the tokens lie that FastV would drop: the share dropped by their place in the sequence and in the
 * picture, and its correlation with that place. An even ranking drops the share R everywhere.
 *
 * The tokens of K = k are those that the last token of the prompt attends to least at layer k − 1; layers
 * before it see all tokens, so one run tells them for every K.
 */
import { keptTokens } from '../cost/index.js';
import type { ImageSpan } from '../runtime/image-tokens.js';

/** Into how many parts places are parted. */
const DECILES = 10;
const BANDS = 5;

/** Pearson's correlation of "is dropped" with a place from 0 to 1; null where all or none are dropped. */
export interface PlaceCorrelation {
  /** Place among all image tokens of the prompt: positive if later tokens are dropped. */
  readonly position: number | null;
  /** Place in the picture, from the top, and from the left; null without grids. */
  readonly row: number | null;
  readonly column: number | null;
}

/** Pruning at one K. */
export interface PositionBias {
  /** K. */
  readonly layer: number;
  /** R. */
  readonly ratio: number;
  /** Share of dropped tokens in each tenth of the image tokens, first to last. */
  readonly byPosition: readonly (number | null)[];
  /** Share of dropped tokens in each fifth of the picture: top to bottom, left to right; null where no token lies. */
  readonly byRow: readonly (number | null)[];
  readonly byColumn: readonly (number | null)[];
  readonly correlation: PlaceCorrelation;
}

/** Sums over tokens of one kind of place. */
class Places {
  readonly #dropped: number[];
  readonly #all: number[];
  #n = 0;
  #x = 0;
  #xx = 0;
  #y = 0;
  #xy = 0;

  constructor(parts: number) {
    this.#dropped = new Array<number>(parts).fill(0);
    this.#all = new Array<number>(parts).fill(0);
  }

  /** @param place in [0, 1) */
  add(place: number, dropped: boolean): void {
    const part = Math.min(this.#all.length - 1, Math.floor(place * this.#all.length));
    const y = dropped ? 1 : 0;
    this.#all[part] = (this.#all[part] ?? 0) + 1;
    this.#dropped[part] = (this.#dropped[part] ?? 0) + y;
    this.#n++;
    this.#x += place;
    this.#xx += place * place;
    this.#y += y;
    this.#xy += place * y;
  }

  shares(): (number | null)[] {
    return this.#all.map((all, i) => (all === 0 ? null : (this.#dropped[i] ?? 0) / all));
  }

  correlation(): number | null {
    const n = this.#n;
    const variances = (n * this.#xx - this.#x ** 2) * (n * this.#y - this.#y ** 2);
    return variances > 1e-9 ? (n * this.#xy - this.#x * this.#y) / Math.sqrt(variances) : null;
  }
}

/** Adds up prompts. */
export class PositionBiasSum {
  readonly #ratio: number;
  readonly #layers: { position: Places; row: Places; column: Places }[] = [];

  /** @param ratio R in [0, 1] */
  constructor(ratio: number) {
    this.#ratio = ratio;
  }

  /**
   * Adds a prompt.
   * @param rows by layer, the attention that the prompt's last token pays to each of its tokens
   * @param images the prompt's images
   */
  add(rows: readonly Float32Array[], images: readonly ImageSpan[]): void {
    const tokens = images.flatMap(({ positions, rows: height, columns }) =>
      positions.map((position, i) => ({
        position,
        // 1 × n is what a span is called whose grid is not known
        row: height === 1 ? null : (Math.floor(i / columns) + 0.5) / height,
        column: height === 1 ? null : ((i % columns) + 0.5) / columns,
      })),
    );
    if (tokens.length === 0) return;
    rows.forEach((row, layer) => {
      const sums = (this.#layers[layer] ??= {
        position: new Places(DECILES),
        row: new Places(BANDS),
        column: new Places(BANDS),
      });
      const kept = keptPlaces(
        tokens.map(({ position }) => row[position] ?? 0),
        this.#ratio,
      );
      tokens.forEach((token, i) => {
        const dropped = !kept.has(i);
        sums.position.add((i + 0.5) / tokens.length, dropped);
        if (token.row !== null) sums.row.add(token.row, dropped);
        if (token.column !== null) sums.column.add(token.column, dropped);
      });
    });
  }

  /** One entry a K, from 1 on: after the last layer nothing is left to prune. */
  result(): PositionBias[] {
    return this.#layers.slice(0, -1).map(({ position, row, column }, layer) => ({
      layer: layer + 1,
      ratio: this.#ratio,
      byPosition: position.shares(),
      byRow: row.shares(),
      byColumn: column.shares(),
      correlation: {
        position: position.correlation(),
        row: row.correlation(),
        column: column.correlation(),
      },
    }));
  }
}

/** The places of the tokens that are kept: the highest scores, of equal ones the first. */
function keptPlaces(scores: readonly number[], ratio: number): ReadonlySet<number> {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
  return new Set(order.slice(0, keptTokens(scores.length, ratio)));
}
