// The element type of a tensor, as far as a graph tells without full type inference.
import type { NodeProto, ValueInfoProto } from 'onnx-buf';
import { intAttribute } from './attributes.js';
import type { GraphView } from './graph.js';
import { firstInput, input, isOperator } from './operators.js';
import { DataType, dataType } from './tensor.js';

const BOOLEAN = new Set(
  'And Or Not Xor Less LessOrEqual Greater GreaterOrEqual Equal IsNaN IsInf'.split(' '),
);
/** The element type of a graph input or output. */
export function declaredType(info: ValueInfoProto | undefined): DataType | undefined {
  const type = info?.type?.value;
  return type?.case === 'tensorType' && type.value.elemType !== 0 ? dataType(type.value.elemType) : undefined;
}

/** The element type of any tensor, or undefined where it cannot be told. */
export function elementType(graph: GraphView, tensor: string): DataType | undefined {
  let name = tensor;
  for (let steps = 0; steps < 256; steps++) {
    const declared =
      declaredType(graph.inputs.get(name) ?? graph.outputs.get(name)) ?? initializerType(graph, name);
    if (declared !== undefined) return declared;
    const node = graph.producer(name);
    if (node === undefined) return undefined;
    const own = typeOf(node);
    if (own !== undefined) return own;
    name = typedBy(node);
    if (name === '') return undefined;
  }
  return undefined;
}

/** The input whose type a node's result has. */
function typedBy(node: NodeProto): string {
  if (isOperator(node, 'Where')) return input(node, 'X');
  return isOperator(node, 'DequantizeLinear') ? input(node, 'x_scale') : firstInput(node);
}

function initializerType(graph: GraphView, name: string): DataType | undefined {
  const tensor = graph.initializers.get(name);
  return tensor === undefined ? undefined : dataType(tensor.dataType);
}

function typeOf(node: NodeProto): DataType | undefined {
  if (node.opType === 'Cast') return dataType(intAttribute(node, 'to', DataType.UNDEFINED));
  if (node.opType === 'Shape' || node.opType === 'Size') return DataType.INT64;
  if (BOOLEAN.has(node.opType)) return DataType.BOOL;
  if (node.opType === 'Constant' || node.opType === 'ConstantOfShape') {
    return dataType(node.attribute.find(({ name }) => name === 'value')?.t?.dataType ?? DataType.FLOAT);
  }
  return undefined;
}
