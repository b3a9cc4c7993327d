// Runs a rewritten toy and the reference side by side, call by call: kept tokens, logits and cache lengths of every
// row of a batch must be what the reference gives for that row alone.

import { expect } from 'vitest';
import type { ToyConfig } from './config.js';
import type { ToyDecoder } from './decoder.js';
import { isExact, tolerance } from './families.js';
import { keepQuota, ReferenceDecoder, type ReferenceResult, type ReferenceStage } from './reference.js';
import { nextPosition, toyRow, type Row, type Spans } from './rows.js';
import { maxDifference, type Provider, type ToySession } from './run.js';

/** One call of every row of a batch. */
export interface Call {
  readonly rows: readonly Row[];
  /** R of each stage; tokens are pruned if the rows have image tokens. */
  readonly ratios: readonly number[];
  /** The caller's scores, a row each, for the external strategy. */
  readonly scores?: readonly Float32Array[];
}

export interface CompareOptions {
  /** K of each stage. */
  readonly cuts: readonly number[];
  readonly mode?: 'drop' | 'mask';
  /** What kept tokens stand for. */
  readonly weights?: 'sizes';
  readonly merge?: 'mean';
  readonly provider?: Provider;
  /** The graph is not rewritten, so that it has no kept_indices. */
  readonly unpruned?: boolean;
  /** Instead of what the family allows. */
  readonly tolerance?: number;
}

/** A prefill of rows with the given spans, then `steps` decoding steps. */
export function prefillAndDecode(
  config: ToyConfig,
  spans: readonly Spans[],
  ratios: readonly number[],
  steps = 3,
  seed = 0,
): Call[] {
  const first = spans.map((row, i) => toyRow(config, row, { seed: seed + i }));
  return [{ rows: first, ratios }, ...decoding(config, first, ratios, steps, seed + 10)];
}

/** Another turn with the given spans after `before`, then `steps` decoding steps. */
export function nextTurn(
  config: ToyConfig,
  before: readonly Call[],
  spans: readonly Spans[],
  ratios: readonly number[],
  steps = 2,
  seed = 500,
): Call[] {
  const last = before.at(-1)?.rows ?? [];
  const rows = last.map((row, i) =>
    toyRow(config, spans[i] ?? [], { seed: seed + i, start: nextPosition(row) }),
  );
  return [{ rows, ratios }, ...decoding(config, rows, ratios, steps, seed + 10)];
}

function decoding(
  config: ToyConfig,
  rows: readonly Row[],
  ratios: readonly number[],
  steps: number,
  seed: number,
): Call[] {
  const calls: Call[] = [];
  let before = rows;
  for (let step = 0; step < steps; step++) {
    before = before.map((row, i) =>
      toyRow(config, [1], { seed: seed + 20 * step + i, start: nextPosition(row) }),
    );
    calls.push({ rows: before, ratios });
  }
  return calls;
}

/**
 * How many image tokens every row of a batch keeps at each stage. Rows are cut to one length: all drop as many tokens
 * as the row that may drop the fewest.
 * @param images image tokens of each row
 * @param endsInImage whether the last token of a row is an image token
 * @param whole stages at which a row cannot be ranked, so that none drops anything
 * @returns [row][stage]
 */
export function commonKeeps(
  images: readonly number[],
  ratios: readonly number[],
  endsInImage: readonly boolean[] = [],
  whole: ReadonlySet<number> = new Set(),
): number[][] {
  let left = [...images];
  const keeps: number[][] = images.map(() => []);
  for (const [stage, ratio] of ratios.entries()) {
    const most = left.map((n, row) => n - keepQuota(n, ratio, endsInImage[row]));
    const dropped = whole.has(stage) ? 0 : Math.min(...most);
    left = left.map((n) => n - dropped);
    left.forEach((n, row) => keeps[row]?.push(n));
  }
  return keeps;
}

/** Compares every call; throws what vitest's expect throws. */
export async function compareWithReference(
  decoder: ToyDecoder,
  toy: ToySession,
  calls: readonly Call[],
  options: CompareOptions,
): Promise<void> {
  const { config, weights } = decoder;
  const rows = calls[0]?.rows.length ?? 0;
  const conversation = toy.conversation(rows);
  let references = Array.from({ length: rows }, () => new ReferenceDecoder(config, weights));
  const padded = Array.from({ length: rows }, () => 0);
  for (const [index, call] of calls.entries()) {
    const where = (row: number): string => `call ${index}, row ${row}`;
    const result = await conversation.call(call.rows, {
      ratios: call.ratios,
      ...(call.scores === undefined ? {} : { scores: call.scores }),
    });
    const images = call.rows.map((row) => row.imageMask.filter(Boolean).length);
    const endsInImage = call.rows.map((row) => row.imageMask.at(-1) === true);
    const longest = Math.max(...call.rows.map((row) => row.embeds.length));
    const whole = new Set<number>();
    /** The references' answers. A row that cannot be ranked keeps all at that stage, and its batch with it: asked anew. */
    const answers = (): ReferenceResult[] => {
      const keeps = commonKeeps(images, call.ratios, endsInImage, whole);
      const copies = references.map((decoder) => decoder.copy());
      const results = call.rows.map((row, i) => {
        const stages = options.cuts.map((layer, stage) => ({
          layer,
          ratio: call.ratios[stage] ?? 0,
          keep: keeps[i]?.[stage] ?? 0,
        }));
        const kept = isExact(config) ? undefined : (result.kept?.[i] ?? []);
        return reference(copies[i], row, stages, call.scores?.[i], options, kept);
      });
      const unranked = options.cuts.findIndex(
        (_, stage) => !whole.has(stage) && results.some(({ stages }) => stages[stage]?.unranked === true),
      );
      if (unranked !== -1) {
        whole.add(unranked);
        return answers();
      }
      references = copies;
      return results;
    };
    const expectations = answers();
    call.rows.forEach((row, i) => {
      padded[i] = (padded[i] ?? 0) + longest - row.embeds.length;
      const kept = result.kept?.[i] ?? [];
      const expected = expectations[i];
      if (expected === undefined) throw new RangeError('more rows than conversations');
      if (options.unpruned !== true) expect(kept, `${where(i)}: kept_indices`).toEqual(expected.kept);
      const tokens = expected.logits.slice(-(result.logits[i]?.length ?? 0));
      expect(tokens.length, `${where(i)}: tokens with logits`).toBe(expected.logits.length);
      const difference = maxDifference(
        seen(result.logits[i] ?? [], expected, options),
        seen(tokens, expected, options),
      );
      expect(difference, `${where(i)}: logits`).toBeLessThan(
        options.tolerance ?? tolerance(config, options.provider),
      );
      const lengths = expected.cacheLengths.map((length) => (length === 0 ? 0 : length + (padded[i] ?? 0)));
      expect(result.cacheLengths, `${where(i)}: cache lengths`).toEqual(lengths);
    });
  }
}

/**
 * The reference's answer. Where rounding or quantisation may turn close ranks round, `kept` is what the graph kept: it
 * must be as good as the reference's own choice to within the rounding, and is then taken as the choice.
 */
function reference(
  decoder: ReferenceDecoder | undefined,
  row: Row,
  stages: readonly ReferenceStage[],
  scores: Float32Array | undefined,
  options: CompareOptions,
  kept: readonly number[] | undefined,
): ReferenceResult {
  if (decoder === undefined) throw new RangeError('more rows than conversations');
  const { mode = 'drop', weights, merge } = options;
  const call = { ...row, stages, mode, ...(weights && { weights }), ...(merge && { merge }) };
  if (kept === undefined || stages.length !== 1) {
    return decoder.call(scores === undefined ? call : { ...call, scores });
  }
  const chosen = new Set(kept);
  return decoder.call({ ...call, scores: row.embeds.map((_, i) => (chosen.has(i) ? 1 : 0)) });
}

/** In mask mode, lost tokens' logits mean nothing. */
function seen<T>(logits: readonly T[], expected: ReferenceResult, options: CompareOptions): T[] {
  const kept = new Set(expected.kept);
  return options.mode === 'mask' ? logits.filter((_, i) => kept.has(i)) : [...logits];
}
