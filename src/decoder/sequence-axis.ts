// Which axis of an activation is the sequence. A tensor that crosses the cut is gathered on that axis, so it must be
// known, not guessed: an op that is not listed here makes the axis unknown, and an unknown axis is refused.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { intAttribute, intsAttribute, label, type GraphView } from '../onnx/index.js';

/** `1`: [batch, sequence, …]. `none`: one value for all tokens (a quantisation scale, say). */
export type SequenceAxis = 1 | 'none';

/** Ops that treat every token alike: what comes out has the axes of what goes in. */
const TOKEN_WISE = new Set(
  (
    'Abs Add BiasGelu Cast CastLike Clip Cos DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Erf Exp FastGelu ' +
    'FusedMatMul Gelu HardSigmoid Identity LayerNormalization LeakyRelu Log MatMul MatMulBnb4 MatMulInteger ' +
    'MatMulIntegerToFloat DynamicQuantizeMatMul MatMulNBits Max Mean Min Mul Neg Pow PRelu QLinearMatMul ' +
    'QuantizeLinear QuickGelu Reciprocal Relu RMSNormalization Round Selu Sigmoid SimplifiedLayerNormalization Sin ' +
    'SkipLayerNormalization SkipSimplifiedLayerNormalization Softplus Softsign Sqrt Sub Sum Swish Tanh Where'
  ).split(' '),
);

/** Ops that add to the residual stream. */
const RESIDUAL = new Set(['Add', 'SkipLayerNormalization', 'SkipSimplifiedLayerNormalization']);

/** Ops whose outputs after the first are one value for all tokens. */
const SCALAR_OUTPUTS = new Set(['DynamicQuantizeLinear']);

/** Ops that hand one number on. */
const PASSES_A_NUMBER = new Set(['Unsqueeze', 'Squeeze', 'Reshape', 'Cast', 'Identity']);

/** Tells the sequence axis of activations. */
export class SequenceAxes {
  readonly #graph: GraphView;
  readonly #activations: ReadonlySet<string>;
  readonly #known: Map<string, SequenceAxis | undefined>;

  /**
   * @param activations every tensor that depends on the embeddings' values
   * @param known tensors with the sequence on axis 1: the embeddings, and the results of attention
   */
  constructor(graph: GraphView, activations: ReadonlySet<string>, known: Iterable<string>) {
    this.#graph = graph;
    this.#activations = activations;
    this.#known = new Map([...known].map((tensor) => [tensor, 1 as const]));
    // In topological order, so that no recursion is needed on hostile depth.
    for (const node of graph.nodes) {
      for (const [i, output] of node.output.entries()) {
        if (output === '' || !activations.has(output) || this.#known.has(output)) continue;
        this.#known.set(output, SCALAR_OUTPUTS.has(node.opType) && i > 0 ? 'none' : this.#axis(node));
      }
    }
  }

  /**
   * The sequence axis of an activation.
   * @throws {FastvError} `unsupported-decoder`, naming the node that made it unclear
   */
  of(tensor: string): SequenceAxis {
    const axis = this.#known.get(tensor);
    if (axis !== undefined) return axis;
    const node = this.#graph.producer(tensor);
    throw new FastvError(
      'unsupported-decoder',
      `"${tensor}" crosses the cut, but its sequence axis is unclear`,
      {
        where: node === undefined ? tensor : label(node),
        hint: 'Expected [batch, sequence, …], made from the embeddings by token-wise ops.',
      },
    );
  }

  #axis(node: NodeProto): SequenceAxis | undefined {
    const inputs = node.input.filter((name) => this.#activations.has(name));
    const axes = inputs.map((name) => this.#known.get(name));
    // A residual connection: what is added to [batch, sequence, hidden] does not change its axes.
    if (RESIDUAL.has(node.opType) && axes.includes(1)) return 1;
    if (axes.includes(undefined)) return undefined;
    const axis = axes.includes(1) ? 1 : 'none';
    if (TOKEN_WISE.has(node.opType)) return axis;
    if (axis === 'none') return undefined;
    switch (node.opType) {
      case 'ReduceMean':
      case 'ReduceSum':
      case 'ReduceMax': {
        const list = intsAttribute(node, 'axes') ?? this.#graph.constantInts(node.input[1] ?? '');
        const last = list?.length === 1 && (list[0] === -1 || list[0] === 2);
        return last && intAttribute(node, 'keepdims', 1) === 1 ? 1 : undefined;
      }
      case 'Split':
      case 'Concat': {
        const along = intAttribute(node, 'axis', 0);
        return along === -1 || along >= 2 ? 1 : undefined;
      }
      case 'Slice': {
        const along = this.#graph.constantInts(node.input[3] ?? '');
        return along?.every((a) => a === -1 || a >= 2) === true ? 1 : undefined;
      }
      case 'Reshape':
        return this.#keepsSequence(node) ? 1 : undefined;
      default:
        return undefined;
    }
  }

  /** Whether a Reshape of [batch, sequence, …] leaves batch and sequence as they are. */
  #keepsSequence(node: NodeProto): boolean {
    const shape = node.input[1] ?? '';
    const constant = this.#graph.constantInts(shape);
    // 0 keeps an axis. -1 might be the sequence, or the sequence times something (q/k norms have that).
    if (constant !== undefined) return constant.length > 2 && constant[0] === 0 && constant[1] === 0;
    const concat = this.#graph.producer(shape);
    if (concat?.opType !== 'Concat' || concat.input.length < 3) return false;
    const [batch = '', sequence = ''] = concat.input;
    return this.#isAxis(batch, 0) && this.#isAxis(sequence, 1);
  }

  /** Whether a shape entry is 0, or is read from the shape of a tensor [batch, sequence, …] at this axis. */
  #isAxis(entry: string, axis: number): boolean {
    const graph = this.#graph;
    if (graph.constantInts(entry)?.[0] === 0) return true;
    let node = graph.producer(entry);
    while (node !== undefined && PASSES_A_NUMBER.has(node.opType)) node = graph.producer(node.input[0] ?? '');
    if (node?.opType !== 'Gather' && node?.opType !== 'Slice') return false;
    const shape = graph.producer(node.input[0] ?? '');
    return (
      shape?.opType === 'Shape' &&
      this.#known.get(shape.input[0] ?? '') === 1 &&
      graph.constantInts(node.input[1] ?? '')?.[0] === axis
    );
  }
}
