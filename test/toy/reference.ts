// FastV (arXiv 2403.06764) on one row, in float64 and plain loops, written from the paper and the graph contract
// and sharing no code with the rewrite. No batches, no padding, no ONNX: a row of a batch must equal this.
//
// - Layers 0…K−1 see every token. Before layer K the image tokens of this call are ranked by the attention that
//   the last token paid them at layer K−1 (after the softmax, mean over heads) or by the caller's scores;
//   round-half-even(n·(1−R)) of n stay, ties to the lower index. Other tokens always stay, in order.
// - The call's last token always stays, as the first of the image tokens that do if it is one; alone at R = 1.
// - Image tokens whose scores are all NaN, or that get no attention at all, cannot be ranked: they stay.
// - Kept tokens keep their absolute positions. Caches of layers < K hold every token, of layers ≥ K only kept
//   ones; nothing is dropped later, except that a call with new images prunes those.
// - A window of w lets a token see the w cache slots that end with its own, so after a cut it counts kept tokens.
// - A sink or smooth softmax is a term of the softmax denominator, so it lowers the row that ranks.
// - Weights 'sizes': each lost image token joins the kept one of its image (a run of image tokens) whose residual stream
//   before layer K−1 has the largest cosine with its own; log(tokens that a kept one stands for) is added to the scores
//   of its key from layer K on, behind a softcap, in this call only. Merge 'mean': after the attention of layer K−1 the
//   residual stream and the attention's result of a kept token are the means over those that it stands for.
// - Mode 'mask' computes every token in every layer and hides the lost ones from the others' attention. Windows
//   then still count the lost tokens' slots.

import { attentionScale, convKernel, layerTheta, layerWindow, type ToyConfig } from './config.js';
import type {
  AttentionWeights,
  ConvWeights,
  LayerWeights,
  Linear,
  RecurrenceWeights,
  ToyWeights,
} from './weights.js';

type Vector = Float64Array;

/** One position, or one for each mRoPE axis. */
export type Position = number | readonly [number, number, number];

export interface ReferenceStage {
  /** K: tokens are lost before this layer. */
  readonly layer: number;
  /** R, of the image tokens that reach the stage. */
  readonly ratio: number;
  /** How many image tokens stay, instead of R's quota: a batch's rows may keep more. */
  readonly keep?: number;
}

export interface ReferenceCall {
  /** [sequence][hidden] */
  readonly embeds: readonly ArrayLike<number>[];
  /** Absolute positions; by default they go on from the calls before. */
  readonly positions?: readonly Position[];
  readonly imageMask?: readonly boolean[];
  readonly stages?: readonly ReferenceStage[];
  readonly mode?: 'drop' | 'mask';
  readonly weights?: 'sizes';
  readonly merge?: 'mean';
  /** One score a token of this call ranks instead of attention. */
  readonly scores?: ArrayLike<number>;
}

export interface ReferenceStageResult {
  /** Positions in this call's sequence that stay, ascending. */
  readonly kept: readonly number[];
  /** Score of every position of this call: head-mean attention of the last token, or the caller's; 0 if lost. */
  readonly scores: Float64Array;
  /** Whether its scores say nothing, so that all its image tokens stay. */
  readonly unranked: boolean;
  /** Gap between the lowest kept and the highest lost image token; Infinity if one of them is missing. */
  readonly margin: number;
}

export interface ReferenceResult {
  /** Positions in this call's sequence that stay after the last stage, ascending. */
  readonly kept: readonly number[];
  readonly stages: readonly ReferenceStageResult[];
  /** Logits of each kept token; in mode 'mask', of every token. */
  readonly logits: readonly Float64Array[];
  /** Slots in each layer's KV cache; 0 for layers without one. */
  readonly cacheLengths: readonly number[];
}

interface AttentionState {
  readonly kind: 'attention';
  readonly keys: Vector[];
  readonly values: Vector[];
  /** False for a slot that mode 'mask' hides. */
  readonly seen: boolean[];
}
interface ConvState {
  readonly kind: 'conv';
  gated: Vector[];
}
interface RecurrenceState {
  readonly kind: 'recurrence';
  hidden: Vector;
}
type LayerState = AttentionState | ConvState | RecurrenceState;

interface Token {
  readonly index: number;
  readonly position: Position;
  hidden: Vector;
  seen: boolean;
  /** Which image it belongs to; undefined for text. */
  readonly image: number | undefined;
  /** How many tokens of the call it stands for. */
  size: number;
}

/**
 * round-half-even(n·(1−R)), in double arithmetic on R as it is written (15·(1−0.9) is then just below 1.5), but at
 * least the image token that is the call's last.
 */
export function keepQuota(imageTokens: number, ratio: number, endsInImage = false): number {
  return Math.max(endsInImage ? 1 : 0, roundHalfEven(imageTokens * (1 - ratio)));
}

function roundHalfEven(share: number): number {
  const floor = Math.floor(share);
  if (share - floor !== 0.5) return Math.round(share);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** One row: its caches live in the object, `call` is a prefill, a later turn or a decoding step. */
export class ReferenceDecoder {
  readonly #config: ToyConfig;
  readonly #weights: ToyWeights;
  readonly #states: readonly LayerState[];
  #seenTokens = 0;

  constructor(config: ToyConfig, weights: ToyWeights, states?: readonly LayerState[]) {
    this.#config = config;
    this.#weights = weights;
    this.#states =
      states ??
      weights.layers.map(({ mixer }) => {
        switch (mixer.kind) {
          case 'attention':
            return { kind: 'attention', keys: [], values: [], seen: [] };
          case 'conv':
            return { kind: 'conv', gated: Array.from({ length: convKernel }, () => zeros(config.hidden)) };
          case 'recurrence':
            return { kind: 'recurrence', hidden: zeros(config.hidden) };
        }
      });
  }

  /** One that goes on from here by itself. */
  copy(): ReferenceDecoder {
    const copy = new ReferenceDecoder(this.#config, this.#weights, structuredClone(this.#states));
    copy.#seenTokens = this.#seenTokens;
    return copy;
  }

  call(call: ReferenceCall): ReferenceResult {
    const mode = call.mode ?? 'drop';
    const stages = call.stages ?? [];
    const images = runs(call.imageMask ?? []);
    let tokens: Token[] = call.embeds.map((embed, index) => ({
      index,
      position: call.positions?.[index] ?? this.#seenTokens + index,
      hidden: Float64Array.from(embed),
      seen: true,
      image: images[index],
      size: 1,
    }));
    this.#seenTokens += tokens.length;
    const results: ReferenceStageResult[] = [];
    /** The stages before a layer: after the attention of the layer before it, whose result is `mixed`. */
    const prune = (layer: number, mixed: readonly Vector[], lastRow: Float64Array | undefined): Vector[] => {
      let left = [...mixed];
      for (const stage of stages.filter((candidate) => candidate.layer === layer)) {
        const result = rank(tokens, call, stage, lastRow);
        results.push(result);
        const kept = new Set(result.kept);
        for (const token of tokens) token.seen = kept.has(token.index);
        if (call.weights !== undefined || call.merge !== undefined) left = join(tokens, left, call.merge);
        if (mode !== 'drop') continue;
        left = left.filter((_, i) => at(tokens, i).seen);
        tokens = tokens.filter((token) => token.seen);
      }
      return left;
    };
    prune(
      0,
      tokens.map(() => zeros(0)),
      undefined,
    );
    for (let layer = 0; layer < this.#config.layers; layer++) {
      const { mixed, row } = this.#mix(layer, tokens, call);
      const left = prune(layer + 1, mixed, row);
      this.#finish(layer, tokens, left);
    }
    return {
      kept: tokens.filter((token) => token.seen).map((token) => token.index),
      stages: results,
      logits: tokens.map(({ hidden }) =>
        apply(this.#weights.head, norm(hidden, this.#weights.finalNorm, this.#config.epsilon)),
      ),
      cacheLengths: this.#states.map((state) => (state.kind === 'attention' ? state.keys.length : 0)),
    };
  }

  /** The first half of a layer, in which tokens mix; `row` is the last token's head-mean attention to this call. */
  #mix(
    layer: number,
    tokens: readonly Token[],
    call: ReferenceCall,
  ): { mixed: Vector[]; row: Float64Array | undefined } {
    const weights = at(this.#weights.layers, layer);
    const state = at(this.#states, layer);
    const inputs = tokens.map((token) => norm(token.hidden, weights.inputNorm, this.#config.epsilon));
    if (weights.mixer.kind === 'attention' && state.kind === 'attention') {
      const row = zeros(call.embeds.length);
      const weigh = call.weights !== undefined;
      return { mixed: this.#attention(layer, weights.mixer, state, tokens, inputs, row, weigh), row };
    }
    if (weights.mixer.kind === 'conv' && state.kind === 'conv') {
      return { mixed: convolve(weights.mixer, state, inputs), row: undefined };
    }
    if (weights.mixer.kind === 'recurrence' && state.kind === 'recurrence') {
      return { mixed: recur(weights.mixer, state, inputs), row: undefined };
    }
    throw new Error(`layer ${layer}: weights and state disagree`);
  }

  /** The second half, on each token by itself, in place. */
  #finish(layer: number, tokens: readonly Token[], mixed: readonly Vector[]): void {
    const weights: LayerWeights = at(this.#weights.layers, layer);
    const { epsilon } = this.#config;
    tokens.forEach((token, i) => {
      const attended = add(token.hidden, postNorm(at(mixed, i), weights.postAttentionNorm, epsilon));
      const x = norm(attended, weights.mlpNorm, epsilon);
      const up = apply(weights.up, x);
      const inner = apply(weights.gate, x).map((g, j) => (g / (1 + Math.exp(-g))) * (up[j] ?? 0));
      token.hidden = add(attended, postNorm(apply(weights.down, inner), weights.postMlpNorm, epsilon));
    });
  }

  /** Attention of each token over the cache and the tokens up to itself; fills `row` for the last token. */
  #attention(
    layer: number,
    weights: AttentionWeights,
    state: AttentionState,
    tokens: readonly Token[],
    inputs: readonly Vector[],
    row: Float64Array,
    weigh: boolean,
  ): Vector[] {
    const { heads, kvHeads, headDim, softcap, sink: sinkKind } = this.#config;
    const past = state.keys.length;
    const scale = attentionScale(this.#config);
    const window = layerWindow(this.#config, layer);
    tokens.forEach((token, i) => {
      const x = at(inputs, i);
      state.keys.push(this.#rotated(layer, apply(weights.k, x), weights.kNorm, token.position));
      state.values.push(apply(weights.v, x));
      state.seen.push(token.seen);
    });
    return tokens.map((token, i) => {
      const q = this.#rotated(layer, apply(weights.q, at(inputs, i)), weights.qNorm, token.position);
      const own = past + i;
      const first = window === 0 ? 0 : Math.max(0, own - window + 1);
      const out = zeros(heads * headDim);
      for (let head = 0; head < heads; head++) {
        const kvStart = Math.floor((head * kvHeads) / heads) * headDim;
        const slots: number[] = [];
        const logits: number[] = [];
        for (let slot = first; slot <= own; slot++) {
          if (state.seen[slot] !== true) continue;
          const key = at(state.keys, slot);
          let dot = 0;
          for (let d = 0; d < headDim; d++) dot += (q[head * headDim + d] ?? 0) * (key[kvStart + d] ?? 0);
          const scaled = dot * scale;
          slots.push(slot);
          const size = weigh ? (tokens[slot - past]?.size ?? 1) : 1;
          logits.push((softcap === 0 ? scaled : softcap * Math.tanh(scaled / softcap)) + Math.log(size));
        }
        const sink = sinkKind === 'none' ? undefined : (weights.sink?.[head] ?? 0);
        const probabilities = softmax(logits, sink);
        slots.forEach((slot, j) => {
          const p = probabilities[j] ?? 0;
          const value = at(state.values, slot);
          for (let d = 0; d < headDim; d++) {
            out[head * headDim + d] = (out[head * headDim + d] ?? 0) + p * (value[kvStart + d] ?? 0);
          }
          const attended = tokens[slot - past];
          if (i === tokens.length - 1 && attended !== undefined) {
            row[attended.index] = (row[attended.index] ?? 0) + p / heads;
          }
        });
      }
      return apply(weights.o, out);
    });
  }

  /** Norms each head, then rotates it by the token's position. */
  #rotated(layer: number, x: Vector, weight: Float32Array | undefined, position: Position): Vector {
    const { headDim, rotaryDim, rotaryInterleaved, mropeSections, epsilon } = this.#config;
    const pairs = rotaryDim / 2;
    const theta = layerTheta(this.#config, layer);
    const result = zeros(x.length);
    for (let start = 0; start < x.length; start += headDim) {
      const raw = x.slice(start, start + headDim);
      const head = weight === undefined ? raw : norm(raw, weight, epsilon);
      result.set(head, start);
      for (let pair = 0; pair < pairs; pair++) {
        const angle = axisPosition(position, pair, mropeSections) * theta ** (-pair / pairs);
        const low = rotaryInterleaved ? 2 * pair : pair;
        const high = rotaryInterleaved ? low + 1 : pair + pairs;
        const a = head[low] ?? 0;
        const b = head[high] ?? 0;
        result[start + low] = a * Math.cos(angle) - b * Math.sin(angle);
        result[start + high] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
    return result;
  }
}

/** mRoPE gives the first pairs to time, the next to height, the last to width. */
function axisPosition(position: Position, pair: number, sections: ToyConfig['mropeSections']): number {
  if (typeof position === 'number') return position;
  if (pair < sections[0]) return position[0];
  return pair < sections[0] + sections[1] ? position[1] : position[2];
}

/** Which of the tokens stay: all but the worst image tokens. */
function rank(
  tokens: readonly Token[],
  call: ReferenceCall,
  stage: ReferenceStage,
  lastRow: Float64Array | undefined,
): ReferenceStageResult {
  const scores = call.scores === undefined ? lastRow : Float64Array.from(call.scores);
  if (scores === undefined) throw new Error(`no attention to rank by before layer ${stage.layer}`);
  const score = (index: number): number => scores[index] ?? 0;
  const image = tokens.filter((token) => token.seen && call.imageMask?.[token.index] === true);
  const last = call.embeds.length - 1;
  const endsInImage = call.imageMask?.[last] === true;
  const others = image.map((token) => token.index).filter((index) => index !== last);
  const ranked = [...(endsInImage ? [last] : []), ...others.sort((a, b) => score(b) - score(a) || a - b)];
  const nothing = call.scores === undefined && image.every(({ index }) => Math.fround(score(index)) === 0);
  const unranked = nothing || others.every((index) => Number.isNaN(score(index)));
  const count = unranked ? image.length : (stage.keep ?? keepQuota(image.length, stage.ratio, endsInImage));
  const lost = new Set(ranked.slice(count));
  const worst = ranked[count - 1];
  const next = ranked[count];
  return {
    kept: tokens.filter((token) => token.seen && !lost.has(token.index)).map((token) => token.index),
    scores,
    unranked: unranked && image.length > 0,
    margin: worst === undefined || next === undefined ? Infinity : score(worst) - score(next),
  };
}

/** The number of each image token's run of them; undefined for text. */
function runs(imageMask: readonly boolean[]): (number | undefined)[] {
  let run = 0;
  return imageMask.map((image, i) => {
    if (image && imageMask[i - 1] !== true) run++;
    return image ? run : undefined;
  });
}

/** Makes lost tokens join kept ones; gives what their attention gave, or the means of it. */
function join(tokens: readonly Token[], mixed: readonly Vector[], merge: 'mean' | undefined): Vector[] {
  const members = tokens.map((token) => (token.seen ? [token] : []));
  for (const lost of tokens.filter((token) => !token.seen && token.size > 0)) {
    const alike = tokens.map((kept) =>
      kept.seen && kept.image !== undefined && kept.image === lost.image
        ? cosine(kept.hidden, lost.hidden)
        : -Infinity,
    );
    const best = Math.max(...alike);
    if (best > -Infinity) members[alike.indexOf(best)]?.push(lost);
  }
  const means = members.map((own, i) => {
    if (merge === undefined || own.length < 2) return { hidden: at(tokens, i).hidden, mixed: at(mixed, i) };
    const mean = (of: (token: Token) => Vector): Vector => {
      const total = own.reduce((sum, { size }) => sum + size, 0);
      return own.map((token): Vector => of(token).map((value) => (value * token.size) / total)).reduce(add);
    };
    return {
      hidden: mean(({ hidden }) => hidden),
      mixed: mean((token) => at(mixed, tokens.indexOf(token))),
    };
  });
  const sizes = members.map((own) => own.reduce((sum, { size }) => sum + size, 0));
  tokens.forEach((token, i) => {
    token.hidden = at(means, i).hidden;
    token.size = at(sizes, i);
  });
  return means.map((own) => own.mixed);
}

function cosine(a: Vector, b: Vector): number {
  const dot = (x: Vector, y: Vector): number => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Gated causal convolution: the kernel's last tap is the token itself. */
function convolve(weights: ConvWeights, state: ConvState, inputs: readonly Vector[]): Vector[] {
  return inputs.map((x) => {
    const projected = apply(weights.input, x);
    const hidden = projected.length / 3;
    const gated = zeros(hidden).map((_, d) => (projected[d] ?? 0) * (projected[2 * hidden + d] ?? 0));
    state.gated = [...state.gated.slice(1), gated];
    const mixed = zeros(hidden);
    state.gated.forEach((past, tap) => {
      for (let d = 0; d < hidden; d++) {
        mixed[d] = (mixed[d] ?? 0) + (past[d] ?? 0) * (weights.kernel[d * convKernel + tap] ?? 0);
      }
    });
    return apply(
      weights.output,
      mixed.map((value, d) => value * (projected[hidden + d] ?? 0)),
    );
  });
}

/** h ← a·h + (1−a)·u */
function recur(weights: RecurrenceWeights, state: RecurrenceState, inputs: readonly Vector[]): Vector[] {
  return inputs.map((x) => {
    const input = apply(weights.input, x);
    const decay = apply(weights.decay, x).map((value) => 1 / (1 + Math.exp(-value)));
    state.hidden = state.hidden.map((h, d) => (decay[d] ?? 0) * h + (1 - (decay[d] ?? 0)) * (input[d] ?? 0));
    return apply(weights.output, state.hidden);
  });
}

/** Softmax of `logits`, with exp(sink) in the denominator too if there is a sink. */
function softmax(logits: readonly number[], sink: number | undefined): number[] {
  const largest = Math.max(...logits, sink ?? -Infinity);
  const exponents = logits.map((logit) => Math.exp(logit - largest));
  const extra = sink === undefined ? 0 : Math.exp(sink - largest);
  const sum = exponents.reduce((a, b) => a + b, extra);
  return exponents.map((exponent) => exponent / sum);
}

/** x / sqrt(mean(x²) + ε) · weight */
function norm(x: Vector, weight: Float32Array, epsilon: number): Vector {
  const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const root = Math.sqrt(mean + epsilon);
  return x.map((value, i) => (value / root) * (weight[i] ?? 0));
}

function postNorm(x: Vector, weight: Float32Array | undefined, epsilon: number): Vector {
  return weight === undefined ? x : norm(x, weight, epsilon);
}

/** x·W + bias */
function apply(linear: Linear, x: Vector): Vector {
  const { inputs, outputs, values, bias } = linear;
  const y = zeros(outputs);
  if (bias !== undefined) y.set(bias);
  for (let i = 0; i < inputs; i++) {
    const xi = x[i] ?? 0;
    for (let o = 0; o < outputs; o++) y[o] = (y[o] ?? 0) + xi * (values[i * outputs + o] ?? 0);
  }
  return y;
}

function add(a: Vector, b: Vector): Vector {
  return a.map((value, i) => value + (b[i] ?? 0));
}

function zeros(length: number): Vector {
  return new Float64Array(length);
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`index ${index} of ${items.length}`);
  return item;
}
