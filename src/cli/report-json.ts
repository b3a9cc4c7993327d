/** What a call did, in the words that all JSON of the commands has (docs/cli.md, "One vocabulary"). */
import type { Answer } from '../runtime/ask.js';
import type { PrefillReport } from '../runtime/options.js';

/** What is said of an answer. */
export interface AnswerJsonOptions {
  /** `--kept-indices`: the positions of all kept tokens, which can be thousands. */
  readonly keptIndices?: boolean;
}

/** An answer as JSON. */
export function answerJson(
  { text, tokens, ttftMs, prefillMs, totalMs, tokensPerSecond, report }: Omit<Answer, 'sequences'>,
  options: AnswerJsonOptions = {},
): object {
  const fastv = report === undefined ? undefined : reportJson(report, options);
  return { answer: text.trim(), tokens, ttftMs, prefillMs, totalMs, tokensPerSecond, fastv };
}

function reportJson(report: PrefillReport, { keptIndices = false }: AnswerJsonOptions): object {
  const { layer, ratio, strategy, weights, merge, flopsRatio, kvBytes, ms, decodeSteps } = report;
  return {
    layer,
    ratio,
    strategy,
    weights,
    merge,
    rows: report.rows.map((row) => ({
      sequence: row.sequence,
      imageTokens: row.imageTokens,
      keptImageTokens: row.keptImageTokens,
      images: row.images.map(({ start, tokens, rows, columns, kept }) => ({
        start,
        tokens,
        rows,
        columns,
        kept: kept.length,
      })),
      ...(keptIndices ? { keptIndices: row.keptIndices } : {}),
    })),
    flopsRatio,
    kvBytes: { pruned: kvBytes.pruned, unpruned: kvBytes.full },
    visionMs: ms.vision,
    prefillMs: ms.prefill,
    decodeMs: ms.decode,
    decodeSteps,
  };
}
