// Forward passes: which image tokens a pass brings, which call it belongs to, and what came out. A pass is recognised by
// the identity of the attention mask that is fed to the decoder, so that concurrent calls cannot mix.
import { CACHE_LENGTHS } from '../decoder/contract.js';
import { FastvError } from '../errors.js';
import type { ImageTokens } from '../strategies/unlisted.js';
import { checkCaches } from './cache-lengths.js';
import { Call, type FastvCall } from './call.js';
import { gridsOf, imageSpans, imageTokenMask, runsAreImages } from './image-tokens.js';
import { callOptions, saysHowMuch, type CallOptions, type PrefillReport, type Settings } from './options.js';
import { pruningInputs } from './pruning-inputs.js';
import type { PassLookup, PruningInputs, PruningOutputs } from './pruned-session.js';
import { prefillReport } from './report.js';
import { timed, type Run, type Tensors } from './session.js';
import {
  alias,
  isHfTensor,
  isRecord,
  ones,
  type ForwardInputs,
  type HfTensor,
  type OrtTensor,
} from './transformers.js';

/** One forward pass. */
interface Pass {
  readonly call: Call;
  /** undefined where nothing is pruned: in the original model. */
  readonly pruning: PruningInputs | undefined;
  /** Image spans of each row; empty for a decoding step. */
  readonly spans: readonly (readonly ImageTokens[])[];
  readonly sequence: number;
  /** Length of everything so far, this pass included. */
  readonly total: number;
  readonly prefill: boolean;
  readonly ids: HfTensor;
  /** What ONNX Runtime threw in it. */
  error?: unknown;
}

/** A pass that was begun: what the model's own forward is called with, and what ended it, if something did. */
export interface BegunPass {
  readonly inputs: ForwardInputs;
  readonly failure: () => unknown;
}

/** Puts something around a run of the vision encoder for a call (undefined: for none that is known). */
export type VisionAround = (run: Run, call: FastvCall | undefined) => Run;

/** What passes need to know of the model. */
export interface PassContext {
  readonly config: Readonly<Record<string, unknown>>;
  readonly imageIds: ReadonlySet<bigint>;
  /** How its decoder was rewritten; undefined for the original. */
  readonly settings: Settings | undefined;
  /** Whether the decoder is told positions, so that rows may be padded on the left. */
  readonly leftPadding: boolean;
  /** The positions that it has, where that is known. */
  readonly positions: number | undefined;
  /** The options of a call that says nothing itself. */
  readonly defaults: () => CallOptions;
  readonly onPrefill: (report: PrefillReport) => void;
  /** Called after a prefill that was to drop image tokens and dropped none: a row's scores said nothing. */
  readonly onUnranked?: () => void;
  /** Called at a call whose rows are padded on the left although the decoder cannot tell. */
  readonly onLeftPadding: () => void;
}

/** Keeps the passes of one model. */
export class Passes implements PassLookup {
  readonly #context: PassContext;
  readonly #byMask = new WeakMap<OrtTensor, Pass>();
  readonly #byPixels = new WeakMap<OrtTensor, Pass>();
  /** The unpruned length of the sequence whose layer-0 keys these are. */
  readonly #lengths = new WeakMap<OrtTensor, number>();
  #around: VisionAround = (run) => run;

  constructor(context: PassContext) {
    this.#context = context;
  }

  /** A call with these options, completed and checked. */
  call(given: unknown): Call {
    if (given instanceof Call) return given;
    const defaults = this.#context.defaults();
    if (given === undefined || given === null) return new Call(defaults);
    const call = callOptions(given);
    const { signal } = call;
    if (!saysHowMuch(call)) return new Call({ ...defaults, ...call });
    return new Call({ seed: defaults.seed ?? 0, ...call, ...(signal === undefined ? {} : { signal }) });
  }

  /**
   * Begins a pass: gives its tensors an identity of their own.
   * @throws {FastvError} `invalid-input` if it is too long for the decoder
   */
  begin(inputs: ForwardInputs): BegunPass {
    const { fastv, ...rest } = inputs;
    const call = this.call(fastv);
    call.options.signal?.throwIfAborted();
    const {
      input_ids: ids,
      attention_mask: attention,
      pixel_values: pixels,
      pixel_values_videos: videos,
    } = rest;
    if (!ids || !attention) return { inputs: rest, failure: () => undefined };
    const [, sequence = 0] = ids.dims;
    const total = attention.dims[1] ?? sequence;
    this.checkLength(total);
    const decoding =
      sequence === 1 && isRecord(rest.past_key_values) && Object.keys(rest.past_key_values).length > 0;
    const started: ForwardInputs = { ...rest, input_ids: ids, attention_mask: alias(attention) };
    if (decoding) {
      // Transformers.js 4.3 feeds the pixels at decoding steps too, and then replaces the attention mask by ones, which
      // forgets left padding. A decoder that is told positions keeps its mask here. One that is not counts them from the
      // mask's sum and cannot have left padding at all: it gets the ones, as from Transformers.js.
      delete started.pixel_values;
      if (pixels !== undefined && !this.#context.leftPadding) started.attention_mask = ones(attention);
    } else {
      if (pixels) started.pixel_values = alias(pixels);
      if (isHfTensor(videos)) started['pixel_values_videos'] = alias(videos);
      if (!this.#context.leftPadding && isPaddedLeft(attention)) this.#context.onLeftPadding();
    }
    const pass: Pass = {
      call,
      ...this.#tokens(call, rest, ids, decoding || !bringsImages(rest)),
      sequence,
      total,
      prefill: !decoding,
      ids,
    };
    if (started.attention_mask) this.#byMask.set(started.attention_mask.ort_tensor, pass);
    for (const seen of [started.pixel_values, started['pixel_values_videos']])
      if (isHfTensor(seen)) this.#byPixels.set(seen.ort_tensor, pass);
    return { inputs: started, failure: () => pass.error };
  }

  /** @throws {FastvError} `invalid-input` for a sequence of more tokens than the decoder has positions */
  checkLength(tokens: number): void {
    const { positions = Infinity } = this.#context;
    if (tokens <= positions) return;
    throw new FastvError(
      'invalid-input',
      `the prompt has ${tokens} tokens, and the model has room for ${positions}`,
      { where: 'prompt', hint: 'Shorten the text, or give fewer or smaller images.' },
    );
  }

  /** The image tokens of a pass, and what is pruned of them. `empty`: a token that looks like one is none. */
  #tokens(
    { options }: Call,
    inputs: ForwardInputs,
    ids: HfTensor,
    empty: boolean,
  ): Pick<Pass, 'pruning' | 'spans'> {
    const { config, imageIds, settings } = this.#context;
    const [batch = 1, sequence = 0] = ids.dims;
    if (settings === undefined) return { pruning: undefined, spans: [] };
    const mask = empty ? new Uint8Array(batch * sequence) : imageTokenMask(ids, imageIds);
    const grids = empty ? [] : gridsOf(inputs, config);
    const apart = runsAreImages(mask, sequence, inputs);
    const spans = Array.from({ length: batch }, (_, row) =>
      imageSpans(mask.subarray(row * sequence, (row + 1) * sequence), config, grids, apart),
    );
    return { pruning: pruningInputs(settings, options, { batch, sequence, mask, spans }), spans };
  }

  /** The ids of a run's tokens; undefined for a decoding step, and for a run that is not known. */
  idsOf(feeds: Tensors): HfTensor | undefined {
    const pass = this.#pass(feeds);
    return pass?.prefill === true ? pass.ids : undefined;
  }

  inputsFor(feeds: Tensors): PruningInputs | undefined {
    return this.#pass(feeds)?.pruning;
  }

  /** The decoder's run, timed for its call. */
  timedDecoder(run: Run): Run {
    return timed(run, (ms, feeds) => {
      const pass = this.#pass(feeds);
      if (pass === undefined) return;
      pass.call.ms[pass.prefill ? 'prefill' : 'decode'] += ms;
      if (!pass.prefill) pass.call.decodeSteps++;
    });
  }

  /** The decoder's run, whose failure is the pass's. */
  caughtDecoder(run: Run): Run {
    const stages = this.#context.settings?.layers ?? [];
    return this.#caught(
      (feeds) => this.#pass(feeds),
      async (feeds, ...rest) => {
        // who says how long caches are has room behind what they hold
        if (feeds[CACHE_LENGTHS] === undefined) checkCaches(feeds, stages);
        return run(feeds, ...rest);
      },
    );
  }

  /** Puts something around every later run of the vision encoder. */
  aroundVision(around: VisionAround): void {
    this.#around = around;
  }

  /** The vision encoder's run, timed for its call; its failure is the pass's. */
  visionRun(run: Run): Run {
    const passOf = ({ pixel_values: pixels }: Tensors): Pass | undefined =>
      pixels === undefined ? undefined : this.#byPixels.get(pixels);
    return this.#caught(passOf, (feeds, ...rest) => {
      const pass = passOf(feeds);
      const own = timed(run, (ms) => {
        if (pass !== undefined) pass.call.ms.vision += ms;
      });
      return this.#around(own, pass?.call)(feeds, ...rest);
    });
  }

  /**
   * A run that fails ends its pass with nothing. Transformers.js 4.3 writes every number of every tensor that was fed to
   * the console when a session's run rejects; so the pass keeps the error, and `forward` throws it.
   */
  #caught(passOf: (feeds: Tensors) => Pass | undefined, run: Run): Run {
    return async (feeds, ...rest) => {
      const pass = passOf(feeds);
      if (pass === undefined) return run(feeds, ...rest);
      try {
        return await run(feeds, ...rest);
      } catch (error) {
        pass.error = error;
        return {};
      }
    };
  }

  done(feeds: Tensors, outputs: PruningOutputs): void {
    const pass = this.#pass(feeds);
    const { settings, config } = this.#context;
    if (pass === undefined || settings === undefined) return;
    for (const [name, tensor] of Object.entries(outputs.outputs)) {
      if (name.startsWith('present.')) this.#lengths.set(tensor, pass.total);
    }
    const { call, pruning, spans, sequence, total } = pass;
    if (!pass.prefill || pruning === undefined) return;
    const { ratios } = pruning;
    call.report = prefillReport({ config, settings, call, ratios, spans, sequence, total, feeds, outputs });
    if (wasUnranked(call.report, call.options)) this.#context.onUnranked?.();
    this.#context.onPrefill(call.report);
  }

  /** The unpruned length of a cache that holds this tensor, if this model made it. */
  lengthOf(tensor: HfTensor): number | undefined {
    return this.#lengths.get(tensor.ort_tensor);
  }

  #pass(feeds: Tensors): Pass | undefined {
    const mask = feeds['attention_mask'];
    return mask === undefined ? undefined : this.#byMask.get(mask);
  }
}

/** Whether a call brings pictures or video, or embeddings that may hold them; without, an image token is a mere token. */
function bringsImages(inputs: ForwardInputs): boolean {
  return Object.entries(inputs).some(
    ([name, value]) => /^(pixel_|image_|video_|inputs_embeds$)/u.test(name) && isHfTensor(value),
  );
}

/** Whether tokens were to go of rows with several, and every row kept all. (By mass all may be what is needed.) */
function wasUnranked({ rows, ratio }: PrefillReport, { mass }: CallOptions): boolean {
  const left = ratio.reduce((share, r) => share * (1 - r), 1);
  const asked = rows.filter(({ imageTokens: n }) => n > 1 && Math.round(n * left) < n - 1);
  return (
    mass === undefined &&
    asked.length === rows.length &&
    rows.every(({ imageTokens, keptImageTokens }) => keptImageTokens === imageTokens)
  );
}

/** Whether a row begins with tokens that its mask hides. */
function isPaddedLeft({ data, dims, location }: HfTensor): boolean {
  if (location !== 'cpu') return false;
  const [batch = 0, length = 0] = dims;
  return Array.from({ length: batch }, (_, row) => data[row * length]).some((first) => Number(first) === 0);
}
