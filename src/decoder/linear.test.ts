import {
  create,
  GraphProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type TensorProto,
} from '../onnx/index.js';
import { describe, expect, it } from 'vitest';
import { Emitter, MICROSOFT } from '../onnx/emit.js';
import { GraphView } from '../onnx/graph.js';
import { DataType } from '../onnx/tensor.js';
import { linearLayers } from './linear.js';

const weight = (dataType: DataType, ...dims: number[]): TensorProto =>
  create(TensorProtoSchema, { name: 'w', dataType, dims: dims.map(BigInt) });

/** The linear layers of a graph with an input `x` and a weight `w`. */
function found(w: TensorProto, build: (e: Emitter) => void) {
  const e = new Emitter(21, ['x', 'w', 's']);
  build(e);
  const scale = create(TensorProtoSchema, { name: 's', dataType: DataType.FLOAT, dims: [] });
  return linearLayers(
    new GraphView(
      create(GraphProtoSchema, {
        node: e.nodes,
        input: [create(ValueInfoProtoSchema, { name: 'x' })],
        initializer: [w, scale, ...e.initializers],
      }),
    ),
  ).map(({ inFeatures, outFeatures, transposed, activation }) => ({
    inFeatures,
    outFeatures,
    transposed,
    activation,
  }));
}

const is3by5 = { inFeatures: 3, outFeatures: 5, activation: 'x' };

describe('linearLayers', () => {
  it('finds MatMul with a weight [in, out]', () => {
    const w = weight(DataType.FLOAT, 3, 5);
    expect(found(w, (e) => e.op('MatMul', ['x', 'w']))).toEqual([{ ...is3by5, transposed: false }]);
  });

  it('looks through Transpose, Cast and DequantizeLinear', () => {
    const w = weight(DataType.INT8, 5, 3);
    const build = (e: Emitter): void => {
      const float = e.cast(e.op('DequantizeLinear', ['w', 's']), DataType.FLOAT);
      e.op('MatMul', ['x', e.transpose(float, 1, 0)]);
    };
    expect(found(w, build)).toEqual([{ ...is3by5, transposed: true }]);
  });

  it('finds Gemm with transB', () => {
    const w = weight(DataType.FLOAT16, 5, 3);
    const build = (e: Emitter): void => void e.op('Gemm', ['x', 'w'], { attributes: { transB: 1n } });
    expect(found(w, build)).toEqual([{ ...is3by5, transposed: true }]);
  });

  it('finds the 8-bit operators', () => {
    const w = weight(DataType.UINT8, 3, 5);
    for (const op of ['MatMulInteger', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul']) {
      expect(
        found(w, (e) => e.op(op, ['x', 'w', 's'])),
        op,
      ).toEqual([{ ...is3by5, transposed: false }]);
    }
  });

  it('takes the shape of MatMulNBits from its attributes', () => {
    const w = weight(DataType.UINT8, 5, 1, 16);
    const attributes = { K: 3n, N: 5n, bits: 4n, block_size: 32n };
    const build = (e: Emitter): void =>
      void e.op('MatMulNBits', ['x', 'w', 's'], { domain: MICROSOFT, attributes });
    expect(found(w, build)).toEqual([{ ...is3by5, transposed: true }]);
  });

  it('leaves products of two activations, and of weights that aren’t matrices, alone', () => {
    const w = weight(DataType.FLOAT, 2, 3, 5);
    expect(found(w, (e) => e.op('MatMul', ['x', 'x']))).toEqual([]);
    expect(found(w, (e) => e.op('MatMul', ['x', 'w']))).toEqual([]);
  });
});
