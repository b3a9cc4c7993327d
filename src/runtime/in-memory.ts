// Rewriting a decoder that is in memory, as a browser has it: the graph is new, the weights stay in the bytes that
// Transformers.js fetched.
import {
  concatChunks,
  decodeModel,
  encodeModel,
  externalFiles,
  type OnnxModel,
  type Pass,
} from '../onnx/index.js';
import { referToWeights, rewrittenGraph, type Cut } from './rewritten-graph.js';
import type { SessionOptions, SessionSource } from './session-swap.js';

/** The name that the original's bytes get among ONNX Runtime's external data. */
const ORIGINAL = 'fastv-original-decoder.onnx';

/** The rewritten decoder of a decoder given as bytes. */
export function rewriteInMemory(bytes: Uint8Array, options: SessionOptions, cut: Cut): SessionSource {
  const model = rewrittenGraph(bytes, cut, ORIGINAL);
  const externalData = [...(options.externalData ?? []), { path: ORIGINAL, data: bytes }];
  return { model, options: { ...options, externalData } };
}

/** A model given as bytes after an edit that leaves large weights alone; the same source if it changes nothing. */
export function editedInMemory(
  { model, options }: SessionSource,
  edit: (model: OnnxModel) => Pick<Pass<unknown>, 'model' | 'changed'>,
): SessionSource {
  if (typeof model === 'string') throw new TypeError('a path is no model in memory');
  const before = decodeModel(model);
  const { model: graph, changed } = edit(before);
  if (!changed) return { model, options };
  // ONNX Runtime takes weights from disk or from a table in memory, never from both: then what is inside stays inside
  const onDisk = options.externalData === undefined && externalFiles(before).length > 0;
  if (onDisk || readsFolder(options)) return { model: concatChunks(encodeModel(graph)), options };
  const others = options.externalData ?? [];
  // it may have been edited before
  const path = `fastv-edited-model-${others.length}.onnx`;
  referToWeights(graph, model, path);
  const externalData = [...others, { path, data: model }];
  return { model: concatChunks(encodeModel(graph)), options: { ...options, externalData } };
}

/** Whether the weights of a graph in memory lie in a folder (`inMemory` in decoder-file.ts). */
function readsFolder({ extra }: SessionOptions): boolean {
  const session: unknown = extra?.['session'];
  return (
    typeof session === 'object' &&
    session !== null &&
    'model_external_initializers_file_folder_path' in session
  );
}
