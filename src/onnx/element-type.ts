// The element type of a tensor, as far as a graph tells without full type inference.
import type { NodeProto, ValueInfoProto } from './schema.js';
import { intAttribute } from './attributes.js';
import type { GraphView } from './graph.js';
import { firstInput, input, isOperator } from './operators.js';
import { DataType, dataType } from './tensor.js';

const BOOLEAN = new Set(
  'And Or Not Xor Less LessOrEqual Greater GreaterOrEqual Equal IsNaN IsInf'.split(' '),
);
/**
 * The element type of a graph input or output.
 * @example
 * declaredType(view.inputs.get('inputs_embeds')) === DataType.FLOAT16;
 */
export function declaredType(info: ValueInfoProto | undefined): DataType | undefined {
  const type = info?.type?.value;
  return type?.case === 'tensorType' && type.value.elemType !== 0 ? dataType(type.value.elemType) : undefined;
}

/** What was told before, graph by graph: a chain of nodes is walked once, not once for each of its tensors. */
const told = new WeakMap<GraphView, Map<string, DataType | undefined>>();

/**
 * The element type of any tensor, or undefined where it cannot be told.
 * @example
 * elementType(view, 'logits') === DataType.FLOAT;
 */
export function elementType(graph: GraphView, tensor: string): DataType | undefined {
  const known = told.get(graph) ?? new Map<string, DataType | undefined>();
  told.set(graph, known);
  const walked: string[] = [];
  let name = tensor;
  let type: DataType | undefined;
  while (name !== '' && !known.has(name)) {
    walked.push(name);
    const node = graph.producer(name);
    type =
      declaredType(graph.inputs.get(name) ?? graph.outputs.get(name)) ??
      initializerType(graph, name) ??
      (node === undefined ? undefined : typeOf(node));
    name = type !== undefined || node === undefined ? '' : typedBy(node);
  }
  if (name !== '') type = known.get(name);
  for (const each of walked) known.set(each, type);
  return type;
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
