// Linear layers: the matrix products with a constant weight, in every form that exporters and quantisers write them.
//
// 1. MatMul and Gemm with an initialiser, as it is or behind Transpose, Cast, Identity, DequantizeLinear;
// 2. MatMulInteger, MatMulIntegerToFloat, DynamicQuantizeMatMul and QLinearMatMul with 8-bit weights;
// 3. MatMulNBits and MatMulBnb4, whose shape is in their attributes;
// 4. FusedMatMul, FusedGemm.
import {
  firstInput,
  input,
  intAttribute,
  intsAttribute,
  isOperator,
  type GraphView,
  type NodeProto,
  type TensorProto,
} from '../onnx/index.js';

/** A product of activations [.., inFeatures] with a constant weight, giving [.., outFeatures]. */
export interface LinearLayer {
  readonly node: NodeProto;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** The initialiser that holds the weight. */
  readonly weight: TensorProto;
  /** Which of the node's inputs is the weight: the initialiser, or what is made of it. */
  readonly factor: string;
  /** Which of them is the activation. */
  readonly activation: string;
  /** The element type in which the node takes the weight: the initialiser's own, or what it is cast to. */
  readonly elementType: number;
  /** Whether the initialiser is laid out [outFeatures, inFeatures]. */
  readonly transposed: boolean;
}

/** Operators that take an activation A and a weight B. */
const PRODUCTS = [
  ...(['MatMul', 'Gemm', 'FusedMatMul', 'FusedGemm', 'MatMulInteger', 'MatMulIntegerToFloat'] as const),
  ...(['DynamicQuantizeMatMul', 'MatMulNBits', 'MatMulBnb4'] as const),
];

/**
 * The linear layers of a graph, in topological order.
 * @example
 * const weights = linearLayers(new GraphView(model.graph)).map(({ weight }) => weight.name);
 */
export function linearLayers(view: GraphView): LinearLayer[] {
  return view.nodes.flatMap((node) => linearLayer(view, node) ?? []);
}

/** A node as a linear layer; undefined if it is none. */
export function linearLayer(view: GraphView, node: NodeProto): LinearLayer | undefined {
  const [activation, factor] = factors(node) ?? [];
  if (activation === undefined || factor === undefined) return undefined;
  const found = constantWeight(view, factor);
  if (found === undefined) return undefined;
  const { weight, elementType } = found;

  if (node.opType === 'MatMulNBits' || node.opType === 'MatMulBnb4') {
    const inFeatures = intAttribute(node, 'K', 0);
    const outFeatures = intAttribute(node, 'N', 0);
    if (!(inFeatures > 0 && outFeatures > 0)) return undefined;
    return { node, inFeatures, outFeatures, weight, factor, activation, elementType, transposed: true };
  }
  const [rows, columns] = weight.dims;
  if (weight.dims.length !== 2 || rows === undefined || columns === undefined) return undefined;
  if (intAttribute(node, 'transA', 0) !== 0) return undefined;
  const transposed = found.transposed !== (intAttribute(node, 'transB', 0) !== 0);
  const [inFeatures, outFeatures] = transposed
    ? [Number(columns), Number(rows)]
    : [Number(rows), Number(columns)];
  return { node, inFeatures, outFeatures, weight, factor, activation, elementType, transposed };
}

/** What a product takes as its activation and its weight. */
function factors(node: NodeProto): readonly [activation: string, weight: string] | undefined {
  if (isOperator(node, 'QLinearMatMul')) return [input(node, 'a'), input(node, 'b')];
  if (!PRODUCTS.some((name) => isOperator(node, name))) return undefined;
  return [input(node, 'A'), input(node, 'B')];
}

/** Follows a weight back to its initialiser, through what only changes its layout or its number format. */
function constantWeight(
  view: GraphView,
  name: string,
): Pick<LinearLayer, 'weight' | 'transposed' | 'elementType'> | undefined {
  let transposed = false;
  let elementType: number | undefined;
  let tensor = name;
  for (;;) {
    const weight = view.initializers.get(tensor);
    if (weight !== undefined) return { weight, transposed, elementType: elementType ?? weight.dataType };
    const node = view.producer(tensor);
    if (node === undefined) return undefined;
    switch (node.opType) {
      case 'Transpose': {
        const perm = intsAttribute(node, 'perm');
        if (perm !== undefined && (perm.length !== 2 || perm[0] !== 1)) return undefined;
        transposed = !transposed;
        break;
      }
      case 'Cast':
        elementType ??= intAttribute(node, 'to', 0);
        break;
      case 'Identity':
      case 'DequantizeLinear':
        break;
      default:
        return undefined;
    }
    tensor = firstInput(node);
  }
}
