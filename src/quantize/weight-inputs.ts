// Where operators that multiply integers have their weight. Inputs are counted as in the operators' schemas.

/** The places of an operator's inputs that say what its weight is. */
export interface WeightInputs {
  readonly weight: number;
  readonly zeroPoint: number;
  /** The activations' zero point, whose type is theirs. */
  readonly activationZeroPoint?: number;
}

/** Operators that multiply 8-bit activations by an 8-bit weight. */
export const INTEGER_PRODUCTS: Readonly<Record<string, WeightInputs>> = {
  MatMulInteger: { weight: 1, zeroPoint: 3, activationZeroPoint: 2 },
  MatMulIntegerToFloat: { weight: 1, zeroPoint: 5, activationZeroPoint: 4 },
  DynamicQuantizeMatMul: { weight: 1, zeroPoint: 3 },
  QLinearMatMul: { weight: 3, zeroPoint: 5, activationZeroPoint: 2 },
  QLinearConv: { weight: 3, zeroPoint: 5, activationZeroPoint: 2 },
  QGemm: { weight: 3, zeroPoint: 5, activationZeroPoint: 2 },
  QAttention: { weight: 1, zeroPoint: 7, activationZeroPoint: 6 },
};

/** DequantizeLinear, whose weight ONNX Runtime multiplies as an integer if the activations are dequantised too. */
export const DEQUANTIZE: WeightInputs = { weight: 0, zeroPoint: 2 };
