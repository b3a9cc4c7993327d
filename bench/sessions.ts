// A decoder and its rewritten self as ONNX Runtime sessions, and the inputs to run them on.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { DecoderShape } from '../src/cost/shape.js';
import type { Tokens } from '../src/cost/paper.js';
import { decodeModel } from '../src/onnx/read.js';
import { lastTokenTail, rewriteDecoder } from '../src/rewrite/index.js';
import { writeModel, type Generated, type Wanted } from './cache.js';

export type Feeds = Record<string, Tensor>;

export interface Sessions {
  readonly original: InferenceSession;
  readonly rewritten: InferenceSession;
  /** Milliseconds to load each. */
  readonly load: { readonly original: number; readonly rewritten: number };
}

/** Options of every session: all optimisations, threads for every core, which sleep while they wait. */
export const SESSION: InferenceSession.SessionOptions = {
  logSeverityLevel: 3,
  graphOptimizationLevel: 'all',
  extra: { session: { intra_op: { allow_spinning: '0' } } },
};

/** The same for a decoder whose layers share weights: packing them for each layer would undo that. */
export function sessionFor({ shareWeights = false }: Wanted): InferenceSession.SessionOptions {
  if (!shareWeights) return SESSION;
  return { ...SESSION, extra: { session: { intra_op: { allow_spinning: '0' }, disable_prepacking: '1' } } };
}

/**
 * Rewrites a generated decoder beside itself.
 * @param tail whether only the last token goes on after the last attention
 * @returns the new file
 */
export function rewriteBeside({ file }: Generated, layer: number, tail = false): string {
  const source = decodeModel(readFileSync(file), file);
  const { model } = rewriteDecoder(tail ? lastTokenTail(source).model : source, { stages: [{ layer }] });
  const output = join(dirname(file), `fastv-${layer}${tail ? '-tail' : ''}.onnx`);
  writeModel(model, output);
  return output;
}

export async function openSessions(
  generated: Generated,
  layer: number,
  options: InferenceSession.SessionOptions = SESSION,
  tail = false,
): Promise<Sessions> {
  const rewrittenFile = rewriteBeside(generated, layer, tail);
  const open = async (path: string): Promise<[InferenceSession, number]> => {
    const start = performance.now();
    const session = await InferenceSession.create(path, options);
    return [session, performance.now() - start];
  };
  const [original, originalMs] = await open(generated.file);
  const [rewritten, rewrittenMs] = await open(rewrittenFile);
  return { original, rewritten, load: { original: originalMs, rewritten: rewrittenMs } };
}

/** A prefill of one row: the system prompt, the image, the question. */
export function prefillFeeds(shape: DecoderShape, tokens: Tokens, ratio?: number): Feeds {
  const length = tokens.text + tokens.image;
  const embeds = Float32Array.from({ length: length * shape.hidden }, (_, i) => noise(i));
  const first = Math.min(36, tokens.text);
  const feeds: Feeds = {
    inputs_embeds: new Tensor('float32', embeds, [1, length, shape.hidden]),
    attention_mask: new Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]),
    num_logits_to_keep: new Tensor('int64', BigInt64Array.of(1n), []),
  };
  for (let layer = 0; layer < shape.layers; layer++) {
    for (const part of ['key', 'value']) {
      const dims = [1, shape.kvHeads, 0, shape.headDim];
      feeds[`past_key_values.${layer}.${part}`] = new Tensor('float32', new Float32Array(), dims);
    }
  }
  if (ratio === undefined) return feeds;
  const mask = Uint8Array.from({ length }, (_, i) => (i >= first && i < first + tokens.image ? 1 : 0));
  return {
    ...feeds,
    image_token_mask: new Tensor('bool', mask, [1, length]),
    prune_ratio: new Tensor('float32', Float32Array.of(ratio), [1]),
  };
}

/** The decoding step after a run: its caches, one new token. `length` counts every token, dropped ones too. */
export function decodeFeeds(
  shape: DecoderShape,
  outputs: InferenceSession.ReturnType,
  length: number,
  rewritten: boolean,
): Feeds {
  const embeds = Float32Array.from({ length: shape.hidden }, (_, i) => noise(i + 99));
  const feeds: Feeds = {
    inputs_embeds: new Tensor('float32', embeds, [1, 1, shape.hidden]),
    attention_mask: new Tensor('int64', new BigInt64Array(length + 1).fill(1n), [1, length + 1]),
    num_logits_to_keep: new Tensor('int64', BigInt64Array.of(1n), []),
  };
  for (const [name, tensor] of Object.entries(outputs)) {
    if (name.startsWith('present.')) feeds[name.replace('present.', 'past_key_values.')] = tensor;
  }
  if (!rewritten) return feeds;
  return {
    ...feeds,
    image_token_mask: new Tensor('bool', new Uint8Array(1), [1, 1]),
    prune_ratio: new Tensor('float32', Float32Array.of(0), [1]),
  };
}

/** Bytes of all caches in a run's outputs. */
export function cacheBytes(outputs: InferenceSession.ReturnType): number {
  return Object.entries(outputs).reduce((sum, [name, tensor]) => {
    if (!name.startsWith('present.')) return sum;
    return sum + tensor.dims.reduce((a, b) => a * b, 4);
  }, 0);
}

/** Numbers in [-1, 1] without a pattern, the same on every run. */
function noise(i: number): number {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
}
