// Recentre: uint8 weights become int8, exactly, because signed kernels are several times as fast with VNNI or AMX.
//
// An integer product only ever sees the difference weight − zero point. Subtracting 128 from both changes no
// difference, so results are the same to the last bit; uint8 128 becomes int8 0, and in bytes x − 128 is x ^ 0x80.
// Rules:
// 1. MatMulInteger, MatMulIntegerToFloat, DynamicQuantizeMatMul, QLinearMatMul with a uint8 weight and a constant
//    uint8 zero point: both become int8; an absent zero point (0) becomes −128;
// 2. DequantizeLinear of a uint8 weight that only linear layers use, likewise;
// 3. a weight that something else uses as well (a tied embedding, a computed zero point) is left alone.
//
// Only for processors whose int8 products are exact (src/runtime/processor.ts): elsewhere uint8 is as fast, and int8
// saturates. unsigned.ts goes the other way.
import {
  allNames,
  create,
  DataType,
  editModel,
  GraphView,
  input,
  isOperator,
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
const UINT8: number = DataType.UINT8;

/** What {@link recentre} did. */
export interface Recentred {
  readonly model: OnnxModel;
  readonly changed: boolean;
  /** The weights that are int8 now. */
  readonly weights: ReadonlySet<string>;
  /** Those of them that lie in an external file: every byte b there must become b ^ 0x80 (see {@link flipSigns}). */
  readonly external: ReadonlySet<string>;
}

/**
 * Makes uint8 weights int8.
 * @param options `external`: whether the caller rewrites external files too; without, only weights in the model change
 * @returns a new model that shares everything unchanged with the given one, which stays as it was
 * @example
 * const { model, weights } = recentre(decodeModel(bytes));
 */
export function recentre(model: OnnxModel, options: { readonly external?: boolean } = {}): Recentred {
  const view = new GraphView(model.graph);
  const weights = new Set<string>();
  const external = new Set<string>();
  for (const tensor of model.graph.initializer) {
    if (tensor.dataType !== UINT8 || !convertible(view, tensor.name)) continue;
    const outside = tensor.dataLocation === TensorProto_DataLocation.EXTERNAL;
    if (outside && options.external !== true) continue;
    if (!outside && tensor.rawData.length === 0) continue;
    weights.add(tensor.name);
    if (outside) external.add(tensor.name);
  }
  if (weights.size === 0) return { model, changed: false, weights, external };

  const taken = new Set(allNames(model.graph));
  const zeroPoints = new Map<string, TensorProto>();
  const signedZeroPoint = (name: string): string => {
    const unsigned = view.initializers.get(name);
    const fresh = `fastv/int8/${unsigned === undefined ? 'zero' : unsigned.name}`;
    if (!taken.has(fresh)) {
      const bytes = unsigned === undefined ? Uint8Array.of(0) : bytesOf(unsigned);
      const fields = { name: fresh, dataType: DataType.INT8, dims: unsigned?.dims ?? [] };
      zeroPoints.set(fresh, create(TensorProtoSchema, { ...fields, rawData: flipSigns(bytes.slice()) }));
      taken.add(fresh);
    }
    return fresh;
  };

  const replace = new Map(
    model.graph.node.flatMap((node): [NodeProto, NodeProto][] => {
      const places = placesOf(node);
      if (places === undefined || !weights.has(input(node, places.weight))) return [];
      const { zeroPoint } = places;
      return [[node, withInputs(node, { [zeroPoint]: signedZeroPoint(input(node, zeroPoint)) })]];
    }),
  );
  const initializers = new Map(
    model.graph.initializer
      .filter(({ name }) => weights.has(name))
      .map((tensor) => {
        const rawData = external.has(tensor.name) ? tensor.rawData : flipSigns(tensor.rawData.slice());
        return [tensor, withFields(TensorProtoSchema, tensor, { dataType: DataType.INT8, rawData })];
      }),
  );
  const constants = [...zeroPoints.values()];
  return { model: editModel(model, { replace, initializers, constants }), changed: true, weights, external };
}

/**
 * Subtracts 128 from each byte, in place: uint8 becomes int8.
 * @example
 * flipSigns(Uint8Array.of(0, 128, 255)); // 128, 0, 127: as int8 −128, 0, 127
 */
export function flipSigns<T extends Uint8Array>(bytes: T): T {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) ^ 0x80;
  return bytes;
}

/** Where a node has its weight; undefined if it does not take one that may be signed. */
function placesOf(node: NodeProto): WeightInputs | undefined {
  if (isOperator(node, 'DequantizeLinear')) return DEQUANTIZE;
  return PRODUCTS.some((name) => isOperator(node, name)) ? integerProduct(node) : undefined;
}

const PRODUCTS = ['MatMulInteger', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul', 'QLinearMatMul'] as const;

/** Whether every use of a tensor is as the weight of an operator that can take it signed. */
function convertible(view: GraphView, weight: string): boolean {
  const nodes = view.consumers(weight);
  if (nodes.length === 0 || view.outputs.has(weight)) return false;
  return nodes.every((node) => {
    const places = placesOf(node);
    if (places === undefined || view.inputsOf(node).filter((name) => name === weight).length > 1)
      return false;
    if (input(node, places.weight) !== weight) return false;
    const zeroPoint = input(node, places.zeroPoint);
    if (zeroPoint !== '' && !isConstant(view, zeroPoint)) return false;
    return node.opType !== 'DequantizeLinear' || onlyLinear(view, node);
  });
}

function isConstant(view: GraphView, name: string): boolean {
  const tensor = view.initializers.get(name);
  return tensor?.dataType === UINT8 && tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL;
}

function onlyLinear(view: GraphView, dequantize: NodeProto): boolean {
  const [output = ''] = dequantize.output;
  const nodes = view.consumers(output);
  return (
    nodes.length > 0 &&
    nodes.every((n) => (isOperator(n, 'MatMul') || isOperator(n, 'Gemm')) && input(n, 'B') === output)
  );
}

function bytesOf(tensor: TensorProto): Uint8Array {
  return tensor.rawData.length > 0 ? tensor.rawData : Uint8Array.from(tensor.int32Data);
}
