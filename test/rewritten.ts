// What parity tests share: rewriting a toy, and running it beside the reference on the provider under test.

import { concatChunks, decodeModel, encodeModel } from '../src/onnx/index.js';
import { rewriteDecoder, type RewriteOptions } from '../src/rewrite/index.js';
import { compareWithReference, type Call } from './toy/compare.js';
import type { ToyDecoder } from './toy/decoder.js';
import { ToySession, type Provider } from './toy/run.js';

/** FASTV_TEST_PROVIDER=webgpu runs the same cases there (fewer of them: a software GPU is slow). */
export const provider: Provider = process.env['FASTV_TEST_PROVIDER'] === 'webgpu' ? 'webgpu' : 'cpu';

export function rewriteToy(decoder: ToyDecoder, options: RewriteOptions): Uint8Array {
  return concatChunks(encodeModel(rewriteDecoder(decodeModel(decoder.bytes), options).model));
}

export interface ParityCase extends Omit<RewriteOptions, 'stages'> {
  /** K of each stage. */
  readonly cuts: readonly number[];
}

/** Rewrites a toy and compares every call with the reference. */
export async function checkParity(
  decoder: ToyDecoder,
  { cuts, ...rest }: ParityCase,
  calls: readonly Call[],
): Promise<void> {
  const stages = cuts.map((layer) => ({ layer }));
  const toy = await ToySession.create(decoder.config, rewriteToy(decoder, { ...rest, stages }), provider);
  const { mode = 'drop', weights, merge } = rest;
  const standing = { ...(weights && { weights }), ...(merge && { merge }) };
  await compareWithReference(decoder, toy, calls, { cuts, mode, ...standing, provider });
  await toy.release();
}
