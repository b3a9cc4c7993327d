// Which inputs of operators that multiply integers say what their weight is.
import { isOperator, type InputOf, type NodeProto, type OperatorName } from '../onnx/index.js';

/** The names of an operator's inputs that say what its weight is. */
export interface WeightInputs {
  readonly weight: InputOf<OperatorName>;
  readonly zeroPoint: InputOf<OperatorName>;
  /** The activations' zero point, whose type is theirs. */
  readonly activationZeroPoint?: InputOf<OperatorName>;
}

const AB: WeightInputs = { weight: 'B', zeroPoint: 'b_zero_point', activationZeroPoint: 'a_zero_point' };

/** Operators that multiply 8-bit activations by an 8-bit weight. */
const INTEGER_PRODUCTS: readonly (readonly [OperatorName, WeightInputs])[] = [
  ['MatMulInteger', AB],
  ['MatMulIntegerToFloat', AB],
  ['DynamicQuantizeMatMul', { weight: 'B', zeroPoint: 'b_zero_point' }],
  ['QLinearMatMul', { ...AB, weight: 'b' }],
  ['QLinearConv', { weight: 'w', zeroPoint: 'w_zero_point', activationZeroPoint: 'x_zero_point' }],
  ['QGemm', AB],
  [
    'QAttention',
    { weight: 'weight', zeroPoint: 'weight_zero_point', activationZeroPoint: 'input_zero_point' },
  ],
];

/** Where a node has its weight, if it multiplies integers. */
export function integerProduct(node: NodeProto): WeightInputs | undefined {
  return INTEGER_PRODUCTS.find(([name]) => isOperator(node, name))?.[1];
}

/** DequantizeLinear, whose weight ONNX Runtime multiplies as an integer if the activations are dequantised too. */
export const DEQUANTIZE: WeightInputs = { weight: 'x', zeroPoint: 'x_zero_point' };
