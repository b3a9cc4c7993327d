// Small graphs, written down where a test needs them.

import { InferenceSession } from 'onnxruntime-node';
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  concatChunks,
  create,
  decodeModel,
  encodeModel,
  GraphProtoSchema,
  MICROSOFT,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type OnnxModel,
  type TensorProto,
  type ValueInfoProto,
} from '../src/onnx/index.js';
import { valueInfo } from '../src/onnx/value-info.js';

/** A node; its name is its first output's. */
export function node(
  opType: string,
  input: string[],
  output: string[],
  ...attribute: AttributeProto[]
): NodeProto {
  return create(NodeProtoSchema, { opType, input, output, attribute });
}

export function intAttr(name: string, value: number | bigint): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
}

export function floatAttr(name: string, value: number): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value });
}

export function intsAttr(name: string, ...values: number[]): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: values.map(BigInt) });
}

export function bodyAttr(name: string, body: GraphProto): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: body });
}

export interface GraphParts {
  readonly inputs?: readonly (string | ValueInfoProto)[];
  readonly outputs?: readonly (string | ValueInfoProto)[];
  readonly nodes?: readonly NodeProto[];
  readonly initializers?: readonly TensorProto[];
}

/** A graph; inputs and outputs given by name alone have no type. */
export function graphOf({
  inputs = [],
  outputs = [],
  nodes = [],
  initializers = [],
}: GraphParts): GraphProto {
  const info = (value: string | ValueInfoProto): ValueInfoProto =>
    typeof value === 'string' ? create(ValueInfoProtoSchema, { name: value }) : value;
  return create(GraphProtoSchema, {
    name: 'g',
    input: inputs.map(info),
    output: outputs.map(info),
    node: [...nodes],
    initializer: [...initializers],
  });
}

/** A model as if it had been read from a file. */
export function modelOf(parts: GraphParts, opset = 21): OnnxModel {
  const opsetImport = [
    create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opset) }),
    create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n }),
  ];
  const model = create(ModelProtoSchema, { irVersion: 10n, opsetImport, graph: graphOf(parts) });
  return decodeModel(concatChunks(encodeModel(model)));
}

/** Loads a small graph in ONNX Runtime. */
export function open(parts: GraphParts, opset = 21): Promise<InferenceSession> {
  const bytes = concatChunks(encodeModel(modelOf(parts, opset)));
  return InferenceSession.create(bytes, { logSeverityLevel: 3, intraOpNumThreads: 1 });
}

/** The same in the WASM build of ONNX Runtime, which browsers run. */
export async function openInWasm(parts: GraphParts, opset = 21): Promise<InferenceSession> {
  const { env, InferenceSession: Session } = await import('onnxruntime-web');
  env.wasm.numThreads = 1;
  const bytes = concatChunks(encodeModel(modelOf(parts, opset)));
  return Session.create(bytes, { executionProviders: ['wasm'], logSeverityLevel: 3 });
}

/** The numbers of an output. */
export function numbers(outputs: InferenceSession.OnnxValueMapType, name: string): number[] {
  const tensor = outputs[name];
  return Array.from((tensor?.data ?? []) as ArrayLike<number | bigint>, Number);
}

export { valueInfo as info };
