// Rewriting a decoder that is in memory, as a browser has it: the graph is new, the weights stay in the bytes that
// Transformers.js fetched.
import type { SessionOptions, SessionSource } from './session-swap.js';
import { rewrittenGraph, type Cut } from './rewritten-graph.js';

/** The name that the original's bytes get among ONNX Runtime's external data. */
const ORIGINAL = 'fastv-original-decoder.onnx';

/** The rewritten decoder of a decoder given as bytes. */
export function rewriteInMemory(bytes: Uint8Array, options: SessionOptions, cut: Cut): SessionSource {
  const model = rewrittenGraph(bytes, cut, ORIGINAL);
  const externalData = [...(options.externalData ?? []), { path: ORIGINAL, data: bytes }];
  return { model, options: { ...options, externalData } };
}
