// Operators by how they treat tokens: the one list that both analyses of axes read (axis-rules.ts for queries, which are
// taken one by one; sequence-axis.ts for activations, which are carried across a cut). An operator that is in no list
// here and has no rule there may mix tokens, and is refused.
const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** Combine their inputs element by element. */
export const ELEMENTWISE = words(
  'Abs Add And BiasGelu Cast CastLike Clip Cos Div Dropout Elu Equal Erf Exp FastGelu Gelu HardSigmoid Identity IsNaN ' +
    'LeakyRelu Log Max Mean Min Mul Neg Not Or Pow PRelu QuickGelu Reciprocal Relu Round Selu Sigmoid Sin Softplus ' +
    'SkipLayerNormalization SkipSimplifiedLayerNormalization Softsign Sqrt Sub Sum Swish Tanh Where',
);
/** Normalise over the last axis. */
export const NORMS = words('LayerNormalization RMSNormalization SimplifiedLayerNormalization');
/** Products of tokens with constant weights, and scales that are constants or one value for all tokens. */
export const LINEAR = words(
  'DequantizeLinear MatMulBnb4 MatMulInteger MatMulIntegerToFloat MatMulNBits QLinearMatMul QuantizeLinear',
);
/** Products with weights or with other tokens. */
export const PRODUCTS = words('MatMul FusedMatMul');
/** Take one scale over all tokens; what they give after their first output is one value for all tokens. */
export const ONE_SCALE = words('DynamicQuantizeLinear DynamicQuantizeMatMul');
/** Add to the residual stream: what is added does not change its axes. */
export const RESIDUAL = words('Add SkipLayerNormalization SkipSimplifiedLayerNormalization');
/** Hand numbers on, such as entries of a shape. */
export const PASSES_NUMBERS = words('Unsqueeze Squeeze Reshape Cast Identity');

/** Treat every token alike where all tokens are together: what comes out has the axes of what goes in. */
export const TOKEN_WISE: ReadonlySet<string> = new Set([
  ...ELEMENTWISE,
  ...NORMS,
  ...LINEAR,
  ...PRODUCTS,
  ...ONE_SCALE,
  'Gemm',
]);
