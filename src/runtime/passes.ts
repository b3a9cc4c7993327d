// Forward passes: which image tokens a pass brings, what is to be kept of them, and what came out. A pass is recognised
// by the identity of the attention mask that is fed to the decoder, so that concurrent calls cannot mix.
import { FastvError } from '../errors.js';
import { paperLayerCost, paperMeanLayerCostOfStages, type PaperShape } from '../cost/index.js';
import { gridsOf, imageSpans, imageTokenMask, type ImageSpan } from './image-tokens.js';
import { checkCall, type CallOptions, type PrefillReport, type Settings } from './options.js';
import type { PassLookup, PruningInputs, PruningOutputs } from './pruned-session.js';
import { findStrategy, type Draw } from '../strategies/index.js';
import { alias, isRecord, ones, type ForwardInputs, type HfTensor, type OrtTensor } from './transformers.js';

type Config = Readonly<Record<string, unknown>>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A report while it still grows. */
type GrowingReport = Omit<Mutable<PrefillReport>, 'ms'> & { readonly ms: Mutable<PrefillReport['ms']> };

/** One `generate` (or one direct forward pass): its options, and the report of its prefill. */
export class Generation {
  readonly options: CallOptions;
  report: GrowingReport | undefined;

  constructor(options: CallOptions) {
    this.options = options;
  }
}

/** One forward pass. */
interface Pass {
  readonly generation: Generation;
  readonly pruning: PruningInputs;
  /** Image spans of each row; empty for a decoding step. */
  readonly spans: readonly ImageSpan[][];
  readonly sequence: number;
  /** Length of everything so far, this pass included. */
  readonly total: number;
  readonly prefill: boolean;
  visionMs: number;
}

/** What passes need to know of the plug. */
export interface PassContext {
  readonly config: Config;
  readonly imageIds: ReadonlySet<bigint>;
  readonly settings: Settings;
  /** Whether the decoder is told positions, so that rows may be padded on the left. */
  readonly leftPadding: boolean;
  /** The options of a call that says nothing itself. */
  readonly defaults: () => CallOptions;
  readonly onPrefill: (report: PrefillReport) => void;
}

/** Keeps the passes of one model. */
export class Passes implements PassLookup {
  readonly #context: PassContext;
  readonly #byMask = new WeakMap<OrtTensor, Pass>();
  readonly #byPixels = new WeakMap<OrtTensor, Pass>();
  /** The unpruned length of the sequence whose layer-0 keys these are. */
  readonly #lengths = new WeakMap<OrtTensor, number>();

  constructor(context: PassContext) {
    this.#context = context;
  }

  /** The options of a call, completed and checked. */
  generation(given: unknown): Generation {
    if (given instanceof Generation) return given;
    if (given === undefined || given === null) return new Generation(this.#context.defaults());
    if (!isRecord(given)) {
      throw new FastvError('invalid-option', 'the options of a call are an object', {
        where: 'fastv',
        hint: 'for example generate({ ...inputs, fastv: { ratio: 0.75 } })',
      });
    }
    const call = checkCall(given);
    const chosen = call.ratio === undefined && call.budget === undefined;
    const defaults = this.#context.defaults();
    return new Generation(chosen ? { ...defaults, ...call } : { seed: defaults.seed ?? 0, ...call });
  }

  /**
   * Begins a pass: gives its tensors an identity of their own.
   * @returns the inputs to run the model's own forward pass with
   */
  begin(inputs: ForwardInputs): ForwardInputs {
    const { fastv, ...rest } = inputs;
    const generation = this.generation(fastv);
    const { input_ids: ids, attention_mask: attention, pixel_values: pixels } = rest;
    if (!ids || !attention) return rest;
    const [batch = 1, sequence = 0] = ids.dims;
    const decoding =
      sequence === 1 && isRecord(rest.past_key_values) && Object.keys(rest.past_key_values).length > 0;
    const started: ForwardInputs = { ...rest, input_ids: ids, attention_mask: alias(attention) };
    if (decoding) {
      // Transformers.js 4.3 feeds the pixels at decoding steps too, and then replaces the attention mask by ones, which
      // forgets left padding. A decoder that is told positions keeps its mask here. One that is not counts them from the
      // mask's sum and cannot have left padding at all: it gets the ones, as from Transformers.js.
      delete started.pixel_values;
      if (pixels !== undefined && !this.#context.leftPadding) started.attention_mask = ones(attention);
    } else if (pixels) started.pixel_values = alias(pixels);

    const mask = imageTokenMask(ids, this.#context.imageIds);
    const grids = decoding ? [] : gridsOf(rest, this.#context.config);
    const spans = decoding
      ? []
      : Array.from({ length: batch }, (_, row) =>
          imageSpans(mask.subarray(row * sequence, (row + 1) * sequence), this.#context.config, grids),
        );
    const pass: Pass = {
      generation,
      pruning: this.#pruning(generation.options, mask, spans, batch, sequence),
      spans,
      sequence,
      total: attention.dims[1] ?? sequence,
      prefill: !decoding,
      visionMs: 0,
    };
    if (started.attention_mask) this.#byMask.set(started.attention_mask.ort_tensor, pass);
    if (started.pixel_values) this.#byPixels.set(started.pixel_values.ort_tensor, pass);
    return started;
  }

  #pruning(
    options: CallOptions,
    mask: Uint8Array,
    spans: readonly ImageSpan[][],
    batch: number,
    sequence: number,
  ): PruningInputs {
    const { layers, strategy: given } = this.#context.settings;
    const strategy = findStrategy(given);
    const most = Math.max(
      0,
      ...spans.map((row) => row.reduce((n, { positions }) => n + positions.length, 0)),
    );
    const ratios = Float32Array.from(ratiosOf(options, layers.length, most));
    if (strategy.where === 'graph') return { mask, ratios };
    const scores = new Float32Array(batch * sequence);
    spans.forEach((images, row) => {
      const own = strategy.scores({ length: sequence, images }, drawOf(options.seed ?? 0, row));
      if (own.length !== sequence) {
        throw new FastvError('invalid-option', `${own.length} scores for ${sequence} tokens`, {
          where: `strategy ${strategy.name}`,
          hint: 'scores(row) gives one score a token of the row, row.length in all.',
        });
      }
      scores.set(own, row * sequence);
    });
    return { mask, ratios, scores };
  }

  inputsFor(feeds: Readonly<Record<string, OrtTensor>>): PruningInputs | undefined {
    return this.#pass(feeds)?.pruning;
  }

  done(feeds: Readonly<Record<string, OrtTensor>>, result: PruningOutputs): void {
    const pass = this.#pass(feeds);
    if (pass === undefined) return;
    for (const [name, tensor] of Object.entries(result.outputs)) {
      if (name.startsWith('present.')) this.#lengths.set(tensor, pass.total);
    }
    const { generation } = pass;
    if (!pass.prefill) {
      if (generation.report !== undefined) {
        generation.report.ms.decode += result.milliseconds;
        generation.report.decodeSteps++;
      }
      return;
    }
    generation.report = this.#report(pass, result);
    this.#context.onPrefill(generation.report);
  }

  /** Counts time spent in the vision encoder. */
  visionDone(feeds: Readonly<Record<string, OrtTensor>>, milliseconds: number): void {
    const pixels = feeds['pixel_values'];
    const pass = pixels === undefined ? undefined : this.#byPixels.get(pixels);
    if (pass !== undefined) pass.visionMs += milliseconds;
  }

  /** The unpruned length of a cache that holds this tensor, if this model made it. */
  lengthOf(tensor: HfTensor): number | undefined {
    return this.#lengths.get(tensor.ort_tensor);
  }

  #pass(feeds: Readonly<Record<string, OrtTensor>>): Pass | undefined {
    const mask = feeds['attention_mask'];
    return mask === undefined ? undefined : this.#byMask.get(mask);
  }

  #report(pass: Pass, { keptIndices, milliseconds, outputs }: PruningOutputs): GrowingReport {
    const { settings, config } = this.#context;
    const ratio = Array.from(pass.pruning.ratios, (r) => Number(r.toPrecision(7)));
    const rows = pass.spans.map((spans, row) => {
      const kept = keptIndices[row] ?? Array.from({ length: pass.sequence }, (_, i) => i);
      const set = new Set(kept);
      const images = spans.map(({ positions, rows: height, columns }) => ({
        start: positions[0] ?? 0,
        tokens: positions.length,
        rows: height,
        columns,
        kept: positions.flatMap((position, index) =>
          set.has(position) ? [{ index, row: Math.floor(index / columns), column: index % columns }] : [],
        ),
      }));
      return {
        sequence: pass.sequence,
        imageTokens: spans.reduce((n, { positions }) => n + positions.length, 0),
        keptImageTokens: images.reduce((n, image) => n + image.kept.length, 0),
        keptIndices: kept,
        images,
      };
    });
    return {
      layer: settings.layers,
      ratio,
      strategy: findStrategy(settings.strategy).name,
      rows,
      flopsRatio: flopsRatio(config, settings.layers, ratio, rows),
      kvBytes: kvBytes(outputs, pass.total),
      ms: { vision: pass.visionMs, prefill: milliseconds, decode: 0 },
      decodeSteps: 0,
    };
  }
}

/** What a row is drawn by: a seed of its own is that of a row alone. */
function drawOf(seed: number | readonly number[], row: number): Draw {
  if (typeof seed === 'number') return { seed, row };
  const own = seed[row];
  if (own === undefined) {
    throw new FastvError('invalid-option', `${seed.length} seeds for more rows`, {
      where: 'seed',
      hint: 'give one seed, or one a row',
    });
  }
  return { seed: own, row: 0 };
}

/** The ratio of each stage, so that a budget is met exactly where the row has `n` image tokens. */
function ratiosOf({ ratio, budget }: CallOptions, stages: number, n: number): number[] {
  if (budget === undefined) {
    const given = ratio === undefined ? [0.5] : [ratio].flat();
    if (given.length !== 1 && given.length !== stages) {
      throw new FastvError('invalid-option', `${given.length} ratios for ${stages} layers`, {
        where: 'ratio',
        hint: 'give one ratio, or one a layer',
      });
    }
    return Array.from({ length: stages }, (_, i) => given[i] ?? given[0] ?? 0);
  }
  const target = Math.min(budget, n);
  let left = n;
  return Array.from({ length: stages }, (_, i) => {
    if (left === 0) return 0;
    const next = i === stages - 1 ? target : Math.round(n * (target / n) ** ((i + 1) / stages));
    const share = 1 - next / left;
    left = next;
    return share;
  });
}

/** The paper's formula (section 4.2) over the rows of a call. */
function flopsRatio(
  config: Config,
  layers: readonly number[],
  ratio: readonly number[],
  rows: readonly { sequence: number; imageTokens: number }[],
): number | undefined {
  const shape = paperShape(config);
  if (shape === undefined) return undefined;
  const stages = layers.map((layer, i) => ({ layer, ratio: ratio[i] ?? 0 }));
  let before = 0;
  let after = 0;
  for (const { sequence, imageTokens } of rows) {
    before += paperLayerCost(sequence, shape);
    after += paperMeanLayerCostOfStages(shape, { text: sequence - imageTokens, image: imageTokens }, stages);
  }
  return before === 0 ? undefined : after / before;
}

/** The decoder's shape from a configuration, where it says it. */
export function paperShape(config: Config): PaperShape | undefined {
  const candidates = [config['text_config'], config['llm_config'], config['language_config'], config];
  for (const text of candidates) {
    if (!isRecord(text)) continue;
    const { hidden_size: hidden, intermediate_size: mlp, num_hidden_layers: layers } = text;
    if (typeof hidden === 'number' && typeof mlp === 'number' && typeof layers === 'number') {
      return { hidden, mlp, layers };
    }
  }
  return undefined;
}

const BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, bfloat16: 2, int8: 1, uint8: 1 };

/** Bytes of the key/value outputs, and what they would be with every layer `total` long. */
function kvBytes(
  outputs: Readonly<Record<string, OrtTensor>>,
  total: number,
): { pruned: number; full: number } {
  let pruned = 0;
  let full = 0;
  for (const [name, { dims, type }] of Object.entries(outputs)) {
    const length = dims.at(-2);
    if (!/^present\.\d+\.(key|value)$/u.test(name) || length === undefined || length === 0) continue;
    const size = dims.reduce((a, b) => a * b, BYTES[type] ?? 4);
    pruned += size;
    full += (size / length) * total;
  }
  return { pruned, full };
}
