// What a request took: OpenAI's `usage`, and under `fastv` what pruning did.
import { z } from '@hono/zod-openapi';
import type { PrefillReport } from '../runtime/options.js';
import type { GenerationResult } from './engine/engine.js';

/** Usage as it is answered. */
export const Usage = z
  .object({
    prompt_tokens: z.number().int(),
    completion_tokens: z.number().int(),
    total_tokens: z.number().int(),
    prompt_tokens_details: z.object({ cached_tokens: z.number().int() }),
    fastv: z
      .object({
        image_tokens: z.number().int(),
        kept_image_tokens: z.number().int(),
        image_tokens_by_layer: z.array(z.number().int()),
        flops_ratio: z.number().nullable(),
        kv_ratio: z.number().nullable(),
        ms: z.object({
          prepare: z.number(),
          queue: z.number(),
          vision: z.number(),
          prefill: z.number(),
          decode: z.number(),
        }),
      })
      .openapi({
        description:
          'Image tokens of the prompt, how many of them the layers after the last cut keep, and how many each layer saw; FLOPs of the prefill and bytes of the KV cache over those without pruning; milliseconds. Pictures of earlier turns are counted, also where their turn came from the cache.',
      }),
  })
  .openapi('Usage');

export type Usage = z.infer<typeof Usage>;

/** @param prepareMs milliseconds of decoding pictures and tokenising */
export function usageOf(result: GenerationResult, prepareMs: number): Usage {
  const { promptTokens, completionTokens, cachedTokens, reports, ms } = result;
  const sum = (of: (report: PrefillReport) => number): number => reports.reduce((n, one) => n + of(one), 0);
  const rows = reports.flatMap((report) => report.rows.map((row) => ({ report, row })));
  const layers = Math.max(0, ...reports.map(({ layerTokens }) => layerTokens.length));
  const flops = reports.map(({ flopsRatio }) => flopsRatio);
  const tokens = sum(({ layerTokens }) => layerTokens[0] ?? 0);
  const last = reports.at(-1);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    fastv: {
      image_tokens: rows.reduce((n, { row }) => n + row.imageTokens, 0),
      kept_image_tokens: rows.reduce((n, { row }) => n + row.keptImageTokens, 0),
      // text is never dropped: what a layer saw besides it are image tokens
      image_tokens_by_layer: Array.from({ length: layers }, (_, layer) =>
        rows.reduce(
          (n, { report, row }) => n + (report.layerTokens[layer] ?? 0) - (row.sequence - row.imageTokens),
          0,
        ),
      ),
      // of several passes each counts by its length
      flops_ratio:
        reports.length === 0 || flops.includes(undefined)
          ? null
          : round(sum((report) => (report.flopsRatio ?? 1) * (report.layerTokens[0] ?? 0)) / tokens),
      kv_ratio:
        last === undefined || last.kvBytes.full === 0 ? null : round(last.kvBytes.pruned / last.kvBytes.full),
      ms: {
        prepare: round(prepareMs),
        queue: round(ms.queue),
        vision: round(ms.vision),
        prefill: round(ms.prefill),
        decode: round(ms.decode),
      },
    },
  };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
