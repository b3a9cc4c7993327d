// Models in Node with exact int8 products: on a processor whose kernels saturate (processor.ts), int8 weights become
// uint8 in the graph that ONNX Runtime loads. The weights stay where they lie, and nothing is written.
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { InferenceSession } from 'onnxruntime-node';
import { readModelBytes } from '../files/model-file.js';
import {
  concatChunks,
  decodeModel,
  encodeModel,
  MAX_MODEL_BYTES,
  type OnnxModel,
  type Pass,
} from '../onnx/index.js';
import { unsigned } from '../quantize/unsigned.js';
import { besideWeights } from './decoder-file.js';
import { editedInMemory } from './in-memory.js';
import { exactInt8 } from './processor.js';
import { referToWeights } from './rewritten-graph.js';
import type { SessionClass, SessionOptions, SessionSource, Swap } from './session-swap.js';

/**
 * A model with uint8 weights in the place of int8; the same source if it has none.
 * @throws {FastvError} `malformed-model`
 */
export function unsignedSource(source: SessionSource): Promise<SessionSource> {
  return editedSource(source, unsigned);
}

/**
 * A model after an edit that leaves large weights alone: they stay where they lie. The same source if it changes nothing.
 * @throws {FastvError} `malformed-model`
 */
export async function editedSource(
  source: SessionSource,
  edit: (model: OnnxModel) => Pick<Pass<unknown>, 'model' | 'changed'>,
): Promise<SessionSource> {
  const { model, options } = source;
  if (typeof model !== 'string') return editedInMemory(source, edit);
  const path = model.startsWith('file:') ? fileURLToPath(model) : model;
  if ((await stat(path)).size > MAX_MODEL_BYTES) return source; // for ONNX Runtime to say
  const bytes = await readModelBytes(path);
  const { model: graph, changed } = edit(decodeModel(bytes, path));
  if (!changed) return source;
  // with a table of files in memory ONNX Runtime looks for none on disk
  const table = (options.externalData ?? []).some((file) => typeof file !== 'string');
  if (table) return { model: concatChunks(encodeModel(graph)), options };
  referToWeights(graph, bytes, basename(path));
  return besideWeights(path, concatChunks(encodeModel(graph)), options);
}

/**
 * Loads a model whose int8 products are exact on this processor.
 * @param Session the session class of an ONNX Runtime
 * @param model a file's path, or its bytes
 * @throws {FastvError} `malformed-model`; what ONNX Runtime throws stays as it is
 */
export async function exactSession(
  Session: SessionClass,
  model: string | Uint8Array,
  options: SessionOptions = {},
): Promise<InferenceSession> {
  const source = await exactSwap(Session)({ model, options });
  // create() is declared once for paths and once for bytes
  return typeof source.model === 'string'
    ? Session.create(source.model, source.options)
    : Session.create(source.model, source.options);
}

/** A swap after which int8 products are exact on this processor, in every session of a load. */
export function exactSwap(Session: SessionClass, swap?: Swap): Swap {
  return exactInt8(Session, unsignedSource, swap);
}
