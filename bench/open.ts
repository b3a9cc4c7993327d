// A generated decoder and its rewritten self as sessions.
import type { InferenceSession } from 'onnxruntime-node';
import {
  openDecoder,
  originalOf,
  readDecoder,
  rewrittenOf,
  SESSION,
  type DecoderFile,
  type OpenDecoder,
  type Rewriting,
} from '../src/bench/sessions.js';
import type { Generated, Wanted } from './cache.js';

/** The sessions' options: where layers share weights, packing them for each layer would undo that. */
export function sessionFor({ shareWeights = false }: Wanted): InferenceSession.SessionOptions {
  if (!shareWeights) return SESSION;
  return { ...SESSION, extra: { session: { intra_op: { allow_spinning: '0' }, disable_prepacking: '1' } } };
}

export interface Pair {
  readonly file: DecoderFile;
  readonly original: OpenDecoder;
  readonly rewritten: OpenDecoder;
  readonly tail: 'all' | 'last';
  readonly release: () => Promise<void>;
}

/**
 * Loads both.
 * @param alone loads the rewritten decoder only, which at R = 0 stands for the original too
 */
export async function openPair(
  generated: Generated,
  rewriting: Rewriting & { readonly alone?: boolean },
  options: InferenceSession.SessionOptions = SESSION,
): Promise<Pair> {
  const file = await readDecoder(generated.file);
  const after = await rewrittenOf(file, rewriting);
  const rewritten = await openDecoder(after, 'cpu', options);
  const original = rewriting.alone === true ? rewritten : await openDecoder(originalOf(file), 'cpu', options);
  return {
    file,
    original,
    rewritten,
    tail: after.tail,
    release: async () => {
      if (original !== rewritten) await original.session.release();
      await rewritten.session.release();
    },
  };
}
