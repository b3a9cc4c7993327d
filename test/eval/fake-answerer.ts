/**
 * A model that is none: its answers follow from question and condition alone, and get worse with R and
 * with earlier K, so that a sweep of it looks like a sweep. Tests only.
 */
import { createHash } from 'node:crypto';
import type { Answer, Answerer, Ask, Condition } from '../../src/eval/answerer.js';

export interface FakeOptions {
  /** Milliseconds that a question takes. */
  readonly delay?: number;
  /** The right answer of a prompt; without one, the fake says its hash. */
  readonly truth?: (prompt: string) => string | undefined;
  readonly model?: string;
}

export interface FakeAnswerer extends Answerer {
  /** Questions asked so far. */
  readonly asked: { readonly prompt: string; readonly condition: string }[];
  prepared: readonly Condition[];
}

export function fakeAnswerer({ delay = 0, truth, model = 'fake' }: FakeOptions = {}): FakeAnswerer {
  const asked: { prompt: string; condition: string }[] = [];
  return {
    asked,
    prepared: [],
    identity: { model, options: { dtype: 'none' }, versions: { fake: '1' } },
    prepare(conditions) {
      this.prepared = conditions;
      return Promise.resolve();
    },
    async answer(asks, condition) {
      if (delay > 0) await new Promise((done) => setTimeout(done, delay * asks.length));
      return asks.map((ask) => {
        asked.push({ prompt: ask.prompt, condition: condition.name });
        return fakeAnswer(ask, condition, truth);
      });
    },
  };
}

function fakeAnswer(ask: Ask, condition: Condition, truth?: (prompt: string) => string | undefined): Answer {
  const { pruning, imageScale } = condition;
  const draw = (what: string): number =>
    createHash('sha256')
      .update(`${what}\n${ask.prompt}\n${ask.images.map((i) => i.key).join()}`)
      .digest()
      .readUInt32LE() /
    2 ** 32;
  const harm = pruning === null ? 1 - imageScale ** 2 : pruning.ratio;
  const blunt =
    pruning === null
      ? 1.5
      : pruning.strategy === 'attention'
        ? 1 / (1 + pruning.layer)
        : 1.2 + 0.1 * draw(`seed ${pruning.seed}`);
  const right = draw('ability') < 0.9 - 0.6 * Math.min(1, blunt) * harm ** 2;
  const text = (right ? truth?.(ask.prompt) : undefined) ?? `wrong ${Math.floor(10 * draw('wrong'))}`;
  const imageTokens = Math.round(ask.images.length * 36 * imageScale ** 2);
  const kept = Math.round(imageTokens * (1 - (pruning?.ratio ?? 0)));
  const share =
    pruning === null ? 1 : (pruning.layer + (6 - pruning.layer) * ((kept + 20) / (imageTokens + 20))) / 6;
  return {
    text,
    ...(ask.candidates === undefined
      ? {}
      : { logLikelihoods: ask.candidates.map((c) => Math.log(draw(c) + 1e-9)) }),
    cost: {
      tokens: imageTokens + 20,
      imageTokens,
      keptImageTokens: kept,
      generatedTokens: 2,
      visionMs: 0,
      prefillMs: 10 * share,
      decodeMs: 2,
      flops: 1e6 * share * (imageTokens + 20),
      flopsUnpruned: 1e6 * (imageTokens + 20),
      kvBytes: 1000 * share * (imageTokens + 20),
      kvBytesUnpruned: 1000 * (imageTokens + 20),
    },
  };
}
