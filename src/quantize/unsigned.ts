// Unsigned: int8 weights become uint8, exactly, for processors whose kernels saturate on int8 (see
// src/runtime/processor.ts). The inverse of recentre.ts, but in the graph: ONNX Runtime folds the new nodes while it
// loads, and no file is copied.
//
// An integer product only ever sees the difference weight − zero point. Adding 128 to both changes no difference.
// Rules:
// 1. The weight of every operator in weight-inputs.ts that is an int8 initialiser, as it is or behind Transpose,
//    Reshape or Identity, and its zero point: both gain 128; an absent zero point (0) becomes 128.
// 2. DequantizeLinear of such a weight likewise, where a MatMul, Gemm or Conv multiplies it by dequantised activations:
//    ONNX Runtime makes that an integer product. Elsewhere it is computed in float.
// 3. Where the activations are int8 as well, nothing changes: those kernels are exact.
//
// How 128 is added matters for large weights. `Cast(Add(Cast(w, int32), 128), uint8)` needs nine bytes a weight while
// ONNX Runtime loads. From opset 18 on, in bytes w + 128 is w ^ 0x80: the initialiser is said to be uint8 and goes
// through BitwiseXor, which needs one. Before, QLinearMatMul with [[1]] gives 1·w + 128 as uint8.
//
// Limits: weights of subgraphs' nodes and of DynamicQuantizeLSTM are left alone; no vision-language model has them.
import {
  allNames,
  create,
  DataType,
  editModel,
  Emitter,
  firstInput,
  GraphView,
  input,
  isOperator,
  opsetOf,
  TensorProto_DataLocation,
  TensorProtoSchema,
  withFields,
  withInputs,
  type NodeProto,
  type OnnxModel,
  type TensorProto,
} from '../onnx/index.js';
import { DEQUANTIZE, integerProduct, type WeightInputs } from './weight-inputs.js';

/** Tensors say their type as a plain number. */
const INT8: number = DataType.INT8;

/** The first opset with BitwiseXor. */
const BITWISE = 18;

/** What {@link unsigned} did. */
export interface Unsigned {
  readonly model: OnnxModel;
  readonly changed: boolean;
  /** The int8 initialisers that products take as uint8 now. */
  readonly weights: ReadonlySet<string>;
}

/**
 * Makes int8 weights uint8 in a graph.
 * @returns a new model that shares everything unchanged with the given one, which stays as it was
 */
export function unsigned(model: OnnxModel): Unsigned {
  const view = new GraphView(model.graph);
  const places = new Map<NodeProto, WeightInputs>();
  const weights = new Set<string>();
  for (const node of model.graph.node) {
    const inputs = placesOf(view, node);
    const weight = inputs === undefined ? undefined : constantInt8(view, input(node, inputs.weight));
    if (inputs === undefined || weight === undefined) continue;
    places.set(node, inputs);
    weights.add(weight.name);
  }
  if (weights.size === 0) return { model, changed: false, weights };

  const opset = opsetOf(model);
  const relabelled = new Set(
    opset < BITWISE ? [] : [...weights].filter((name) => onlyWeight(view, name, places)),
  );
  const emit = new Emitter(opset, allNames(model.graph));
  const flip = new Flip(emit, opset, relabelled);
  const replace = new Map(
    [...places].map(([node, { weight, zeroPoint }]) => {
      const zero = input(node, zeroPoint);
      const added = zero === '' ? flip.zeroPoint(view, node) : flip.initializer(view, zero);
      return [node, withInputs(node, { [weight]: flip.tensor(input(node, weight)), [zeroPoint]: added })];
    }),
  );
  const initializers = new Map(
    model.graph.initializer
      .filter(({ name }) => relabelled.has(name))
      .map((tensor) => [tensor, withFields(TensorProtoSchema, tensor, { dataType: DataType.UINT8 })]),
  );
  const { constants } = flip;
  const edit = { replace, initializers, emit, constants };
  return { model: editModel(model, edit), changed: true, weights };
}

/** Makes the nodes and constants that add 128. */
class Flip {
  readonly #emit: Emitter;
  readonly #opset: number;
  readonly #relabelled: ReadonlySet<string>;
  readonly #constants = new Map<string, TensorProto>();

  constructor(emit: Emitter, opset: number, relabelled: ReadonlySet<string>) {
    this.#emit = emit;
    this.#opset = opset;
    this.#relabelled = relabelled;
  }

  /** The constants that were made, besides the emitter's. */
  get constants(): TensorProto[] {
    return [...this.#constants.values()];
  }

  /** An int8 tensor as uint8, 128 higher. */
  tensor(name: string): string {
    const emit = this.#emit;
    if (this.#opset >= BITWISE) {
      const bytes = this.#relabelled.has(name) ? name : emit.cast(name, DataType.UINT8);
      return emit.op('BitwiseXor', [bytes, this.#uint8([], 128)]);
    }
    const one = emit.float(1);
    const row = emit.reshape(name, emit.ints(1, -1));
    const zero = this.#constant('int8/0', { dataType: INT8, dims: [], rawData: Uint8Array.of(0) });
    const inputs = [
      this.#uint8([1, 1], 1),
      one,
      this.#uint8([], 0),
      row,
      one,
      zero,
      one,
      this.#uint8([], 128),
    ];
    return emit.reshape(emit.op('QLinearMatMul', inputs), emit.op('Shape', [name]));
  }

  /** A small int8 initialiser as a uint8 one; anything else through nodes. */
  initializer(view: GraphView, name: string): string {
    const tensor = view.initializers.get(name);
    if (tensor === undefined || tensor.dataLocation === TensorProto_DataLocation.EXTERNAL)
      return this.tensor(name);
    const signed = tensor.rawData.length > 0 ? tensor.rawData : Uint8Array.from(tensor.int32Data);
    const rawData = signed.map((byte) => byte ^ 0x80);
    return this.#constant(name, { dataType: DataType.UINT8, dims: tensor.dims, rawData });
  }

  /** The zero point of a node that had none; DequantizeLinear wants as many as it has scales. */
  zeroPoint(view: GraphView, node: NodeProto): string {
    if (!isOperator(node, 'DequantizeLinear')) return this.#uint8([], 128);
    const scales = view.initializers.get(input(node, 'x_scale'));
    return this.#uint8((scales?.dims ?? []).map(Number), 128);
  }

  #uint8(dims: readonly number[], value: number): string {
    const count = dims.reduce((product, n) => product * n, 1);
    return this.#constant(`uint8/${value}${dims.map((n) => `_${n}`).join('')}`, {
      dataType: DataType.UINT8,
      dims: dims.map(BigInt),
      rawData: new Uint8Array(count).fill(value),
    });
  }

  #constant(key: string, fields: Pick<TensorProto, 'dataType' | 'dims' | 'rawData'>): string {
    const known = this.#constants.get(key);
    if (known !== undefined) return known.name;
    const tensor = create(TensorProtoSchema, { ...fields, name: this.#emit.fresh(`unsigned/${key}`) });
    this.#constants.set(key, tensor);
    return tensor.name;
  }
}

/** Where a node has its weight, if it multiplies integers and its activations may be uint8. */
function placesOf(view: GraphView, node: NodeProto): WeightInputs | undefined {
  if (isOperator(node, 'DequantizeLinear')) {
    const knownScales = input(node, 'x_zero_point') !== '' || view.initializers.has(input(node, 'x_scale'));
    return knownScales && multiplied(view, node.output[0] ?? '') ? DEQUANTIZE : undefined;
  }
  const inputs = integerProduct(node);
  // a product of constants: what this pass itself writes
  const activation = firstInput(node);
  const overridable = view.graph.input.some(({ name }) => name === activation);
  if (view.initializers.has(activation) && !overridable) return undefined;
  if (inputs?.activationZeroPoint === undefined) return inputs;
  const zeroPoint = view.initializers.get(input(node, inputs.activationZeroPoint));
  return zeroPoint?.dataType === INT8 ? undefined : inputs;
}

/** Whether a dequantised weight is multiplied by dequantised activations. */
function multiplied(view: GraphView, weight: string): boolean {
  return view.consumers(weight).some((node) => {
    if (LAYOUT.has(node.opType)) return multiplied(view, node.output[0] ?? '');
    const takesWeight =
      isOperator(node, 'MatMul') || isOperator(node, 'Gemm')
        ? input(node, 'B') === weight
        : isOperator(node, 'Conv') && input(node, 'W') === weight;
    return takesWeight && view.producer(firstInput(node))?.opType === 'DequantizeLinear';
  });
}

/** Operators that change a weight's layout only. */
const LAYOUT = new Set(['Transpose', 'Reshape', 'Identity']);

/** The int8 initialiser that a tensor is, or comes from by a change of layout. */
function constantInt8(view: GraphView, tensor: string): TensorProto | undefined {
  const initializer = view.initializers.get(tensor);
  if (initializer !== undefined) return initializer.dataType === INT8 ? initializer : undefined;
  const node = view.producer(tensor);
  return node !== undefined && LAYOUT.has(node.opType) ? constantInt8(view, firstInput(node)) : undefined;
}

/** Whether an initialiser is nothing but the weight of nodes that change, so that its bytes may be read otherwise. */
function onlyWeight(view: GraphView, name: string, places: ReadonlyMap<NodeProto, WeightInputs>): boolean {
  const tensor = view.initializers.get(name);
  const bytes =
    tensor?.dataLocation === TensorProto_DataLocation.EXTERNAL || (tensor?.rawData.length ?? 0) > 0;
  if (!bytes || view.outputs.has(name) || view.graph.input.some((info) => info.name === name)) return false;
  return view.consumers(name).every((node) => {
    const inputs = places.get(node);
    const uses = view.inputsOf(node).filter((taken) => taken === name).length;
    return inputs !== undefined && uses === 1 && input(node, inputs.weight) === name;
  });
}
