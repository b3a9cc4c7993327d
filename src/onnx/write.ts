// Writes a ModelProto as a list of chunks, so that no weight is copied: a tensor's bytes are a chunk of their own.
//
// toBinary() puts a message into one array. Here only what is small goes through it; field order is free in protobuf, so
// the large bytes are appended behind the rest of their message.
import { FastvError } from '../errors.js';
import type { Message, Schema } from './message.js';
import { fieldHead, MAX_MODEL_BYTES, toBinary } from './protobuf.js';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  type GraphProto,
  type ModelProto,
  type TensorProto,
} from './schema.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** Tensors smaller than this are copied along with their graph: a chunk each would cost more than it saves. */
const LARGE = 4096;

/**
 * Serialises a model.
 * @returns the file's bytes, in order, as chunks; large weights are views of the model's own bytes
 * @throws {FastvError} `malformed-model` if the file would be larger than protobuf allows (2 GB)
 * @example
 * await writeFile('copy.onnx', encodeModel(model));
 */
export function encodeModel(model: ModelProto): Bytes[] {
  const { graph, ...rest } = model;
  const chunks: Bytes[] = [toBinary(ModelProtoSchema, rest)];
  if (graph !== undefined) chunks.push(...field(ModelProtoSchema, 'graph', encodeGraph(graph)));
  const size = byteLength(chunks);
  if (size > MAX_MODEL_BYTES) {
    throw new FastvError(
      'malformed-model',
      `the model would take ${size} bytes; one file holds at most 2 GB`,
      {
        hint: 'Keep its weights in an external data file.',
      },
    );
  }
  return chunks;
}

/**
 * The total length of some chunks, in bytes.
 * @example
 * const { length } = concatChunks(chunks); // byteLength(chunks), too, and nothing is copied
 */
export function byteLength(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/**
 * The chunks as one array, for callers that need one (a copy of everything).
 * @example
 * const session = await InferenceSession.create(concatChunks(encodeModel(model)));
 */
export function concatChunks(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(byteLength(chunks));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function encodeGraph(graph: GraphProto): Bytes[] {
  const small = graph.initializer.filter((tensor) => tensor.rawData.length < LARGE);
  const large = graph.initializer.filter((tensor) => tensor.rawData.length >= LARGE);
  const chunks: Bytes[] = [toBinary(GraphProtoSchema, { ...graph, initializer: small })];
  for (const tensor of large) chunks.push(...field(GraphProtoSchema, 'initializer', encodeTensor(tensor)));
  return chunks;
}

function encodeTensor(tensor: TensorProto): Bytes[] {
  const { rawData, ...rest } = tensor;
  return [toBinary(TensorProtoSchema, rest), ...field(TensorProtoSchema, 'rawData', [rawData])];
}

/** A length-delimited field: tag, length, content. */
function field<M extends Message>(
  schema: Schema<M>,
  key: keyof M & string,
  content: readonly Bytes[],
): Bytes[] {
  return [fieldHead(schema, key, byteLength(content)), ...content];
}
