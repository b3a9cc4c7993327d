// KV caches of conversations that may go on, the least recently used thrown away first.
//
// A cache serves a prompt that begins with the same tokens, as far as they are the same. A pruned cache lacks tokens, and
// which ones was decided by the question that brought the pictures; so it serves only prompts that hold the same pictures,
// pruned in the same way, up to the end of the same question.
import type { PrefillReport } from '../../runtime/options.js';
import { cacheBytes, cutRow } from './cache-rows.js';
import type { CacheTensors } from './hf-model.js';
import type { Prompt, SegmentImages } from './prompt.js';

/** A cache of one row. */
export interface KeptPrefix {
  readonly ids: readonly bigint[];
  readonly tensors: CacheTensors;
  readonly images: readonly SegmentImages[];
  /** What the prefills of its pictures did. */
  readonly reports: readonly PrefillReport[];
}

/** What a prompt need not compute. */
export interface FoundPrefix {
  readonly tensors: CacheTensors;
  /** Tokens in it. */
  readonly length: number;
  /** Segments with pictures that it has. */
  readonly images: number;
  readonly reports: readonly PrefillReport[];
}

/** Caches by the order of their use. */
export class PrefixCache {
  readonly #limit: number;
  #kept: KeptPrefix[] = [];
  #bytes = 0;

  /** @param limit bytes that are kept at most; 0 keeps nothing */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a cache, in the place of those that it continues. */
  keep(prefix: KeptPrefix): void {
    const bytes = cacheBytes(prefix.tensors);
    if (bytes > this.#limit) return;
    for (const older of this.#kept.filter(
      ({ ids, images }) =>
        images.every(({ key }, i) => prefix.images[i]?.key === key) && common(ids, prefix.ids) === ids.length,
    )) {
      this.#drop(older);
    }
    this.#kept.push(prefix);
    this.#bytes += bytes;
    for (const oldest of [...this.#kept]) {
      if (this.#bytes <= this.#limit) break;
      this.#drop(oldest);
    }
  }

  /** The longest part of a prompt that is there; its last token is always computed. */
  find({ ids, segments }: Prompt): FoundPrefix | undefined {
    const wanted = segments.flatMap(({ images }) => images ?? []);
    let best: { prefix: KeptPrefix; length: number } | undefined;
    for (const prefix of this.#kept) {
      const same = common(prefix.ids, ids);
      const fits = prefix.images.every(({ key, reach }, i) => wanted[i]?.key === key && reach <= same);
      // image tokens are equal whatever they show
      const next = wanted[prefix.images.length]?.start ?? Infinity;
      const length = Math.min(same, next, ids.length - 1);
      if (fits && length > 0 && length > (best?.length ?? 0)) best = { prefix, length };
    }
    if (best === undefined) return undefined;
    const { prefix, length } = best;
    this.#kept = [...this.#kept.filter((other) => other !== prefix), prefix];
    const cut = prefix.ids.length - length;
    return {
      tensors: cutRow(prefix.tensors, (_, held) => held - cut),
      length,
      images: prefix.images.length,
      reports: prefix.reports,
    };
  }

  clear(): void {
    this.#kept = [];
    this.#bytes = 0;
  }

  #drop(prefix: KeptPrefix): void {
    this.#kept = this.#kept.filter((other) => other !== prefix);
    this.#bytes -= cacheBytes(prefix.tensors);
  }
}

/** How many tokens two sequences begin with in common. */
function common(a: readonly bigint[], b: readonly bigint[]): number {
  const most = Math.min(a.length, b.length);
  for (let i = 0; i < most; i++) if (a[i] !== b[i]) return i;
  return most;
}
