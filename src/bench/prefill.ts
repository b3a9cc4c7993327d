// Prefill and decoding, original against rewritten: what FastV realises of what theory promises.
import type { InferenceSession } from 'onnxruntime-node';
import { compareCost } from '../cost/compare.js';
import { shapeOfDecoder } from '../cost/decoder.js';
import type { Tokens } from '../cost/paper.js';
import type { DecoderShape } from '../cost/shape.js';
import { FastvError } from '../errors.js';
import { NUM_LOGITS_TO_KEEP } from '../rewrite/tail.js';
import type { Device } from './devices.js';
import { cacheBytes, decodeFeeds, prefillFeeds, type Feeds } from './feeds.js';
import { dispose, type DecoderFile, type OpenDecoder } from './sessions.js';
import { markdownTable, mebibytes, seconds } from './table.js';
import { interleaved, speedup, type Timings } from './timing.js';

/** What is measured. */
export interface PrefillOptions {
  /** K. */
  readonly layer: number;
  /** Values of R. */
  readonly ratios: readonly number[];
  readonly tokens: Tokens;
  /** Rounds of prefill; the variants take turns in each. */
  readonly rounds: number;
  /** Rounds of a decoding step; 0 leaves it out. */
  readonly decodeRounds: number;
  readonly device: Device;
  /** Tokens that go on after the rewritten decoder's last attention. */
  readonly tail: 'all' | 'last';
  /** Called before each part, and after every run of it. */
  readonly onProgress?: (part: string, done: number, all: number) => void;
}

/** What theory promises of one R. */
export interface Theory {
  /** Speed-up by the paper's formula. */
  readonly paper: number;
  /** Speed-up by this decoder's matrix products with the cut as it is made. */
  readonly exact: number;
  readonly kvBytes: number;
}

/** One variant: the original, or the rewritten decoder at one R. */
export interface PrefillRow {
  /** R; undefined for the original. */
  readonly ratio: number | undefined;
  readonly prefill: Timings;
  /** Against the original; undefined for the original. */
  readonly speedup: { readonly wall: number; readonly cpu: number } | undefined;
  readonly kvBytes: number;
  /** Undefined for the original, and where the decoder's shape can't be read. */
  readonly theory: Theory | undefined;
  /** A decoding step after this prefill, if asked for. */
  readonly decode: Timings | undefined;
  readonly decodeSpeedup: { readonly wall: number; readonly cpu: number } | undefined;
}

/** What {@link measurePrefill} found. */
export interface PrefillResult {
  readonly rows: readonly PrefillRow[];
  /**
   * The clock that speed-ups are compared with theory on: processor time, which a busy machine does not lengthen; on
   * a GPU, whose work the processor does not do, the wall clock.
   */
  readonly clock: 'cpu' | 'wall';
  readonly loadMs: { readonly original: number; readonly rewritten: number };
  /** Why there is no theory, if there is none. */
  readonly withoutTheory: string | undefined;
}

/** Runs original and rewritten decoder in turns. */
export async function measurePrefill(
  file: DecoderFile,
  original: OpenDecoder,
  rewritten: OpenDecoder,
  options: PrefillOptions,
): Promise<PrefillResult> {
  const { ratios, tokens, rounds, decodeRounds, onProgress } = options;
  const variants = [undefined, ...ratios].map((ratio) => {
    const decoder = ratio === undefined ? original : rewritten;
    const feeds = prefillFeeds(decoder.inputs, tokens, ratio);
    return { name: variantName(ratio), ratio, decoder, feeds, run: timedRun(decoder, feeds) };
  });
  const prefills = await interleaved(variants, rounds, (done, all) => onProgress?.('prefill', done, all));

  const bytes = new Map<string, number>();
  const held: InferenceSession.ReturnType[] = [];
  const steps: { name: string; run: () => Promise<void> }[] = [];
  for (const { name, decoder, feeds: prefill } of variants) {
    const outputs = await decoder.run(prefill);
    bytes.set(name, cacheBytes(decoder.inputs, outputs));
    held.push(outputs);
    if (decodeRounds === 0) continue;
    const feeds = decodeFeeds(decoder.inputs, outputs, tokens.text + tokens.image);
    steps.push({ name, run: timedRun(decoder, feeds) });
  }
  const decodes = await interleaved(steps, decodeRounds, (done, all) => onProgress?.('decoding', done, all));
  held.forEach(dispose);

  const shape = shapeOrReason(file);
  const between = (before: Timings | undefined, after: Timings | undefined): PrefillRow['speedup'] =>
    before === undefined || after === undefined
      ? undefined
      : { wall: speedup(before.wall, after.wall), cpu: speedup(before.cpu, after.cpu) };
  const rows = variants.flatMap(({ name, ratio }): PrefillRow[] => {
    const prefill = prefills.get(name);
    if (prefill === undefined) return [];
    const pruned = ratio !== undefined;
    const known = pruned && typeof shape !== 'string';
    return [
      {
        ratio,
        prefill,
        speedup: pruned ? between(prefills.get(ORIGINAL), prefill) : undefined,
        kvBytes: bytes.get(name) ?? 0,
        theory: known ? theoryOf(shape, original, ratio, options) : undefined,
        decode: decodes.get(name),
        decodeSpeedup: pruned ? between(decodes.get(ORIGINAL), decodes.get(name)) : undefined,
      },
    ];
  });
  return {
    rows,
    clock: options.device === 'cpu' ? 'cpu' : 'wall',
    loadMs: { original: original.loadMs, rewritten: rewritten.loadMs },
    withoutTheory: typeof shape === 'string' ? shape : undefined,
  };
}

/** A run of which nothing is kept. */
function timedRun(decoder: OpenDecoder, feeds: Feeds): () => Promise<void> {
  return async () => {
    dispose(await decoder.run(feeds));
  };
}

const ORIGINAL = 'original';

/** What a variant is called in tables. */
function variantName(ratio: number | undefined): string {
  return ratio === undefined ? ORIGINAL : `R=${ratio}`;
}

/** The decoder's shape, or why it can't be read (layers of several kinds, experts, …). */
function shapeOrReason({ model }: DecoderFile): DecoderShape | string {
  try {
    return shapeOfDecoder(model);
  } catch (error) {
    if (error instanceof FastvError) return error.message;
    throw error;
  }
}

function theoryOf(
  shape: DecoderShape,
  { inputs }: OpenDecoder,
  ratio: number,
  { layer, tokens, tail }: PrefillOptions,
): Theory {
  const lmHead = inputs.inputs.some(({ name }) => name === NUM_LOGITS_TO_KEEP) ? 'last' : 'all';
  const plain = compareCost(shape, tokens, [{ layer, ratio }], { lmHead });
  const short = compareCost(shape, tokens, [{ layer, ratio }], { lmHead, tail });
  return {
    paper: 1 / (1 - plain.paperReduction),
    exact: plain.prefill.before.total / short.prefill.after.total,
    kvBytes: plain.kvBytes.after.total,
  };
}

/** The result as tables in Markdown. */
export function prefillTables({ rows, clock, loadMs, withoutTheory }: PrefillResult): string {
  const times = (x: number | undefined): string => (x === undefined ? '' : `${x.toFixed(3)}x`);
  const name = clock === 'cpu' ? 'CPU' : 'wall';
  const prefill = markdownTable(
    [
      'prefill',
      'wall s',
      'CPU s',
      `${name} range`,
      'wall speed-up',
      'CPU speed-up',
      'theory',
      `${name} ÷ theory`,
      `${name} ÷ exact`,
      'KV MiB',
      'as theory',
    ],
    rows.map(({ ratio, prefill: timings, speedup: gain, kvBytes, theory }) => [
      variantName(ratio),
      ...clocks(timings, clock),
      times(gain?.wall),
      times(gain?.cpu),
      times(theory?.paper),
      gain === undefined || theory === undefined ? '' : (gain[clock] / theory.paper).toFixed(3),
      gain === undefined || theory === undefined ? '' : (gain[clock] / theory.exact).toFixed(3),
      mebibytes(kvBytes),
      theory === undefined ? '' : kvBytes === theory.kvBytes ? 'yes' : `no: ${mebibytes(theory.kvBytes)}`,
    ]),
  );
  const steps = rows.flatMap(({ ratio, decode, decodeSpeedup }) =>
    decode === undefined
      ? []
      : [
          [
            variantName(ratio),
            ...clocks(decode, clock),
            times(decodeSpeedup?.wall),
            times(decodeSpeedup?.cpu),
          ],
        ],
  );
  return [
    prefill,
    ...(withoutTheory === undefined ? [] : [`No theory: ${withoutTheory}.`]),
    `Loading: original ${seconds(loadMs.original)} s, rewritten ${seconds(loadMs.rewritten)} s.`,
    ...(steps.length === 0
      ? []
      : [
          markdownTable(
            ['one decoding step', 'wall s', 'CPU s', `${name} range`, 'wall speed-up', 'CPU speed-up'],
            steps,
          ),
        ]),
  ].join('\n\n');
}

function clocks(timings: Timings, clock: 'cpu' | 'wall'): string[] {
  const { fastest, slowest } = timings[clock];
  return [
    seconds(timings.wall.median),
    seconds(timings.cpu.median),
    `${seconds(fastest)}–${seconds(slowest)}`,
  ];
}
