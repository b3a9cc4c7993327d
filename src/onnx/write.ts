// Writes a ModelProto as a list of chunks, so that no weight is copied: a tensor's bytes are a chunk of their own.
//
// protobuf-es's toBinary() copies nested messages once per level of nesting (model, graph, tensor), which for a
// 1.5 GB file means 4.5 GB. Here only what is small goes through it; field order is free in protobuf, so the large
// bytes are appended behind the rest of their message.
import { create, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  type GraphProto,
  type ModelProto,
  type TensorProto,
} from 'onnx-buf';
import { FastvError } from '../errors.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** A protobuf message cannot be larger than this: lengths are signed 32-bit in every reader in use. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Tensors smaller than this are copied along with their graph: a chunk each would cost more than it saves. */
const LARGE = 4096;

const MODEL_GRAPH = ModelProtoSchema.field.graph.number;
const GRAPH_INITIALIZER = GraphProtoSchema.field.initializer.number;
const TENSOR_RAW_DATA = TensorProtoSchema.field.rawData.number;

/**
 * Serialises a model.
 * @returns the file's bytes, in order, as chunks; large weights are views of the model's own bytes
 * @throws {FastvError} `malformed-model` if the file would be larger than protobuf allows (2 GB)
 * @example
 * await writeFile('copy.onnx', encodeModel(model));
 */
export function encodeModel(model: ModelProto): Bytes[] {
  const { graph, ...rest } = model;
  const chunks: Bytes[] = [toBinary(ModelProtoSchema, shell(ModelProtoSchema, rest))];
  if (graph !== undefined) chunks.push(...field(MODEL_GRAPH, encodeGraph(graph)));
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
  const chunks: Bytes[] = [
    toBinary(GraphProtoSchema, shell(GraphProtoSchema, { ...graph, initializer: small })),
  ];
  for (const tensor of large) chunks.push(...field(GRAPH_INITIALIZER, encodeTensor(tensor)));
  return chunks;
}

function encodeTensor(tensor: TensorProto): Bytes[] {
  const { rawData, ...rest } = tensor;
  return [toBinary(TensorProtoSchema, shell(TensorProtoSchema, rest)), ...field(TENSOR_RAW_DATA, [rawData])];
}

/** A message with the given fields, unknown fields included, and none of its other fields. */
function shell<Desc extends DescMessage>(schema: Desc, fields: object): MessageShape<Desc> {
  return Object.assign(create(schema), fields);
}

/** A length-delimited field: tag, length, content. */
function field(number: number, content: readonly Bytes[]): Bytes[] {
  const writer = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(byteLength(content));
  const head = new Uint8Array(writer.finish());
  return [head, ...content];
}
