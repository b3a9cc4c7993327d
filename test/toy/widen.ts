// A bfloat16 graph as float32: the same nodes on the same (rounded) weights. ONNX Runtime's CPU provider computes
// nothing in bfloat16, so this is how a bfloat16 decoder and its rewrite are run at all.

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  ModelProtoSchema,
  TensorProto_DataType,
  type GraphProto,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { bytesOf } from './builder.js';
import { fromHalfBits } from './half.js';

const BFLOAT16: number = TensorProto_DataType.BFLOAT16;
const FLOAT: number = TensorProto_DataType.FLOAT;

export function widenBfloat16(bytes: Uint8Array): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const { graph } = model;
  if (graph === undefined) throw new Error('the model has no graph');
  widenGraph(graph);
  return toBinary(ModelProtoSchema, model);
}

/** A graph, and the bodies of its nodes. */
function widenGraph(graph: GraphProto): void {
  graph.initializer.forEach(widenTensor);
  for (const info of [...graph.input, ...graph.output, ...graph.valueInfo]) widenInfo(info);
  for (const node of graph.node) {
    for (const attribute of node.attribute) {
      if (attribute.t !== undefined) widenTensor(attribute.t);
      if (attribute.g !== undefined) widenGraph(attribute.g);
      if (node.opType === 'Cast' && attribute.name === 'to' && attribute.i === BigInt(BFLOAT16)) {
        attribute.i = BigInt(FLOAT);
      }
    }
  }
}

function widenTensor(tensor: TensorProto): void {
  if (tensor.dataType !== BFLOAT16) return;
  const { rawData } = tensor;
  const bits = Array.from(
    { length: rawData.length / 2 },
    (_, i) => (rawData[2 * i] ?? 0) | ((rawData[2 * i + 1] ?? 0) << 8),
  );
  tensor.dataType = FLOAT;
  tensor.rawData = bytesOf(fromHalfBits('bfloat16', bits));
}

function widenInfo(info: ValueInfoProto): void {
  const type = info.type?.value;
  if (type?.case === 'tensorType' && type.value.elemType === BFLOAT16) type.value.elemType = FLOAT;
}
