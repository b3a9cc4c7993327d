// Feeds for a decoder, whatever it declares: a prefill of one row with random embeddings, and the decoding step after it.
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { nodeRuntime } from '../runtime/node-session.js';
import type { Tokens } from '../cost/paper.js';
import { FastvError } from '../errors.js';
import { toHalfBits } from '../quantize/matrix.js';
import { IMAGE_TOKEN_MASK, PRUNE_RATIO } from '../decoder/contract.js';
import { ATTENTION_MASK, EMBEDS, POSITION_IDS } from '../decoder/contract.js';
import { NUM_LOGITS_TO_KEEP } from '../rewrite/tail.js';
import type { DecoderInputs, DeclaredInput, State } from './inputs.js';

type Tensor = OrtTensor;
const { Tensor } = await nodeRuntime();

export type Feeds = Record<string, Tensor>;

/** Text tokens before the image, as in LLaVA's prompt; the others follow it. */
const SYSTEM_PROMPT = 36;

/**
 * A prefill of one row: the system prompt, the image, the question; the caches are empty.
 * @param ratio R in [0, 1] for a rewritten decoder; the original does not ask for it
 * @throws {FastvError} `unsupported-decoder` for an input that nothing is known to feed
 */
export function prefillFeeds(decoder: DecoderInputs, tokens: Tokens, ratio = 0): Feeds {
  const first = Math.min(SYSTEM_PROMPT, tokens.text);
  const isImage = (i: number): number => (i >= first && i < first + tokens.image ? 1 : 0);
  return feedsOf(decoder, { past: 0, length: tokens.text + tokens.image, isImage, ratio }, (input, state) =>
    emptyState(input, state),
  );
}

/**
 * The decoding step after a run: its caches, one new token.
 * @param outputs what the run before gave
 * @param length tokens so far, dropped ones counted too
 */
export function decodeFeeds(
  decoder: DecoderInputs,
  outputs: InferenceSession.ReturnType,
  length: number,
): Feeds {
  return feedsOf(decoder, { past: length, length: 1, isImage: () => 0, ratio: 0 }, (_, { present, past }) => {
    const state = outputs[present];
    if (state instanceof Tensor) return state;
    throw new FastvError('unsupported-decoder', `no output "${present}" carries "${past}" on`, {
      where: past,
      hint: 'Export the decoder with every cache among its outputs.',
    });
  });
}

/** Bytes of all KV caches in a run's outputs, wherever they lie. */
export function cacheBytes({ states }: DecoderInputs, outputs: InferenceSession.ReturnType): number {
  let sum = 0;
  for (const { present, cache } of states.values()) {
    const output = outputs[present];
    if (cache === undefined || !(output instanceof Tensor)) continue;
    sum += output.size * (output.type === 'float16' ? 2 : 4);
  }
  return sum;
}

interface Call {
  /** Tokens of earlier calls. */
  readonly past: number;
  /** Tokens of this call. */
  readonly length: number;
  readonly isImage: (position: number) => number;
  readonly ratio: number;
}

function feedsOf(
  decoder: DecoderInputs,
  { past, length, isImage, ratio }: Call,
  stateOf: (input: DeclaredInput, state: State) => Tensor,
): Feeds {
  const feed = (input: DeclaredInput): Tensor => {
    const { name, shape } = input;
    const state = decoder.states.get(name);
    if (state !== undefined) return stateOf(input, state);
    switch (name) {
      case EMBEDS:
        return filled(input, [1, length, decoder.hidden], (i) => noise(i + 99 * past));
      case ATTENTION_MASK:
        if (shape.length !== 2) throw unknown(input);
        return filled(input, [1, past + length], () => 1);
      case POSITION_IDS:
        return filled(input, shape.length === 3 ? [3, 1, length] : [1, length], (i) => past + (i % length));
      case NUM_LOGITS_TO_KEEP:
        return filled(input, shape.length === 0 ? [] : [1], () => 1);
      case IMAGE_TOKEN_MASK:
        return filled(input, [1, length], isImage);
      case PRUNE_RATIO:
        return filled(input, [1], () => ratio);
    }
    if (!decoder.tokenInputs.has(name)) throw unknown(input);
    const dims = [1, length, ...shape.slice(2).map((axis) => fixed(input, axis))];
    return filled(input, dims, input.type.startsWith('float') ? noise : () => 0);
  };
  return Object.fromEntries(decoder.inputs.map((input) => [input.name, feed(input)]));
}

/** A state before the first token: a KV cache of length 0, or zeros of the shape that is declared. */
function emptyState(input: DeclaredInput, { cache }: State): Tensor {
  const sizes = cache === undefined ? [1] : [1, cache.kvHeads, 0, cache.headSize];
  const dims = input.shape.map((axis, i) => (typeof axis === 'number' ? axis : fixed(input, sizes[i])));
  return filled(input, dims, () => 0);
}

function fixed(input: DeclaredInput, axis: number | string | undefined): number {
  if (typeof axis === 'number') return axis;
  throw new FastvError('unsupported-decoder', `the shape of the input "${input.name}" is not known`, {
    where: `${input.name} [${input.shape.join(', ')}]`,
    hint: 'Export the decoder with fixed sizes for everything but batch and sequence.',
  });
}

function unknown({ name, type, shape }: DeclaredInput): FastvError {
  return new FastvError('unsupported-decoder', `nothing is known to feed the input "${name}" with`, {
    where: `${name}: ${type} [${shape.join(', ')}]`,
    hint: `Known are ${EMBEDS}, ${ATTENTION_MASK} [batch, total], ${POSITION_IDS}, ${NUM_LOGITS_TO_KEEP}, states, and inputs with something for every token.`,
  });
}

/** A tensor of the declared type. */
function filled(input: DeclaredInput, dims: readonly number[], value: (i: number) => number): Tensor {
  const length = dims.reduce((a, b) => a * b, 1);
  switch (input.type) {
    case 'float32':
      return new Tensor(
        'float32',
        Float32Array.from({ length }, (_, i) => value(i)),
        dims,
      );
    case 'float16':
      return new Tensor(
        'float16',
        Uint16Array.from({ length }, (_, i) => toHalfBits(value(i))),
        dims,
      );
    case 'int64':
      return new Tensor(
        'int64',
        BigInt64Array.from({ length }, (_, i) => BigInt(Math.trunc(value(i)))),
        dims,
      );
    case 'int32':
      return new Tensor(
        'int32',
        Int32Array.from({ length }, (_, i) => value(i)),
        dims,
      );
    case 'bool':
      return new Tensor(
        'bool',
        Uint8Array.from({ length }, (_, i) => value(i)),
        dims,
      );
    default:
      throw new FastvError('unsupported-decoder', `the input "${input.name}" is ${input.type}`, {
        where: input.name,
        hint: 'ONNX Runtime for Node takes float32, float16, int64, int32 and bool here.',
      });
  }
}

/** Numbers in [-1, 1] without a pattern, the same on every run. */
function noise(i: number): number {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
}
