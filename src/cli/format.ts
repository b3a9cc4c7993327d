/** Times, shares and comparisons as text. */
import type { Answer } from '../runtime/ask.js';
import type { Measured } from '../bench/in-turns.js';

/** The parts of the line after an answer. */
export function timings({ ttftMs, tokens, tokensPerSecond, report }: Omit<Answer, 'sequences'>): string[] {
  const parts = [`first token ${ms(ttftMs)}`, `${tokens} tokens`];
  if (tokensPerSecond !== undefined) parts.push(`${tokensPerSecond.toFixed(1)} tokens/s`);
  if (report !== undefined) {
    const images = report.rows.reduce((n, { imageTokens }) => n + imageTokens, 0);
    const kept = report.rows.reduce((n, { keptImageTokens }) => n + keptImageTokens, 0);
    parts.push(`kept ${kept} of ${images} image tokens (K=${report.layer.join(',')})`);
    if (report.flopsRatio !== undefined) parts.push(`FLOPs ${percent(report.flopsRatio)}`);
    parts.push(`KV ${percent(report.kvBytes.pruned / Math.max(1, report.kvBytes.full))}`);
    const { vision, prefill, decode } = report.ms;
    parts.push(`vision ${ms(vision)}, prefill ${ms(prefill)}, decoding ${ms(decode)}`);
  }
  return parts;
}

/** The table of `run --compare`. */
export function comparison(original: Measured, pruned: Measured): string {
  const { report } = pruned;
  const rows: string[][] = [
    ['', 'original', 'FastV', ''],
    ['answer', original.text, pruned.text, original.text === pruned.text ? 'same' : 'different'],
    ['first token', ms(original.ttftMs), ms(pruned.ttftMs), times(original.ttftMs / pruned.ttftMs)],
    ['prefill', ms(original.prefillMs), ms(pruned.prefillMs), times(original.prefillMs / pruned.prefillMs)],
  ];
  if (original.tokensPerSecond !== undefined && pruned.tokensPerSecond !== undefined) {
    const [before, after] = [original.tokensPerSecond, pruned.tokensPerSecond];
    rows.push(['tokens/s', before.toFixed(1), after.toFixed(1), times(after / before)]);
  }
  if (report !== undefined) {
    const images = report.rows.reduce((n, { imageTokens }) => n + imageTokens, 0);
    const kept = report.rows.reduce((n, { keptImageTokens }) => n + keptImageTokens, 0);
    rows.push(['image tokens', String(images), String(kept), `K=${report.layer.join(',')}`]);
    if (report.flopsRatio !== undefined)
      rows.push(['FLOPs (theory)', '100%', percent(report.flopsRatio), times(1 / report.flopsRatio)]);
    const { full, pruned: left } = report.kvBytes;
    rows.push(['KV memory', bytes(full), bytes(left), percent(left / Math.max(1, full))]);
  }
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const table = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [...table, `(medians of ${pruned.runs} runs after one to warm up)`].join('\n');
}

export function ms(value: number): string {
  return value < 10_000 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function percent(value: number): string {
  return `${(100 * value).toFixed(0)}%`;
}

export function times(value: number): string {
  return `${value.toFixed(2)}x`;
}

export function bytes(value: number): string {
  return value < 2 ** 20 ? `${(value / 2 ** 10).toFixed(0)} KiB` : `${(value / 2 ** 20).toFixed(1)} MiB`;
}
