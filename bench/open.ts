// A generated decoder and its rewritten self as sessions.
import type { Device } from '../src/bench/devices.js';
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
export async function openPair(generated: Generated, rewriting: Rewriting, device: Device): Promise<Pair> {
  const file = await readDecoder(generated.file);
  const after = rewrittenOf(file, rewriting);
  const original = await openDecoder(originalOf(file), device);
  const rewritten = await openDecoder(after, device);
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
