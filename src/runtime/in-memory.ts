// Rewriting a decoder that is in memory, as a browser has it: the graph is new, the weights stay in the bytes that
// Transformers.js fetched.
import { concatChunks, decodeModel, encodeModel, externalFiles } from '../onnx/index.js';
import { unsigned } from '../quantize/unsigned.js';
import { referToWeights, rewrittenGraph, type Cut } from './rewritten-graph.js';
import type { SessionOptions, SessionSource } from './session-swap.js';

/** The name that the original's bytes get among ONNX Runtime's external data. */
const ORIGINAL = 'fastv-original-decoder.onnx';
/** The name of the bytes of a model whose int8 weights become uint8. */
const SIGNED = 'fastv-int8-model.onnx';

/** The rewritten decoder of a decoder given as bytes. */
export function rewriteInMemory(bytes: Uint8Array, options: SessionOptions, cut: Cut): SessionSource {
  const model = rewrittenGraph(bytes, cut, ORIGINAL);
  const externalData = [...(options.externalData ?? []), { path: ORIGINAL, data: bytes }];
  return { model, options: { ...options, externalData } };
}

/** A model given as bytes, with uint8 weights in the place of int8; the same source if it has none. */
export function unsignedInMemory({ model, options }: SessionSource): SessionSource {
  if (typeof model === 'string') throw new TypeError('a path is no model in memory');
  const signed = decodeModel(model);
  const { model: graph, changed } = unsigned(signed);
  if (!changed) return { model, options };
  // with a table of files in memory ONNX Runtime looks for no weights on disk: then all that is inside stays inside
  if (options.externalData === undefined && externalFiles(signed).length > 0)
    return { model: concatChunks(encodeModel(graph)), options };
  referToWeights(graph, model, SIGNED);
  const externalData = [...(options.externalData ?? []), { path: SIGNED, data: model }];
  return { model: concatChunks(encodeModel(graph)), options: { ...options, externalData } };
}
