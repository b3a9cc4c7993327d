// A generated decoder and its rewritten self as sessions.
import {
  openDecoder,
  originalOf,
  readDecoder,
  rewrittenOf,
  type DecoderFile,
  type OpenDecoder,
  type Rewriting,
} from '../src/bench/sessions.js';
import type { Generated } from './cache.js';

export interface Pair {
  readonly file: DecoderFile;
  readonly original: OpenDecoder;
  readonly rewritten: OpenDecoder;
  readonly tail: 'all' | 'last';
  readonly release: () => Promise<void>;
}

/** Loads both. */
export async function openPair(generated: Generated, rewriting: Rewriting): Promise<Pair> {
  const file = await readDecoder(generated.file);
  const after = rewrittenOf(file, rewriting);
  const original = await openDecoder(originalOf(file));
  const rewritten = await openDecoder(after);
  return {
    file,
    original,
    rewritten,
    tail: after.tail,
    release: async () => {
      await original.session.release();
      await rewritten.session.release();
    },
  };
}
