// Graphs of one or a few operators, for measuring these alone.
import {
  create,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  type TensorProto,
} from '../src/onnx/index.js';
import { Emitter, MICROSOFT } from '../src/onnx/emit.js';
import type { DataType } from '../src/onnx/tensor.js';
import { concatChunks, encodeModel } from '../src/onnx/write.js';
import { valueInfo } from '../src/onnx/value-info.js';

/** An input or the output. */
export interface Value {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
}

/** Adds a constant to the graph and gives its name. */
export type AddWeight = (type: DataType, dims: readonly number[], bytes: Uint8Array<ArrayBuffer>) => string;

/**
 * A model of the operators that `build` emits.
 * @param build gives the name of the tensor that it computes
 * @param output the output's type and shape
 */
export function smallModel(
  inputs: readonly Value[],
  output: Omit<Value, 'name'>,
  build: (e: Emitter, weight: AddWeight) => string,
): Uint8Array<ArrayBuffer> {
  const e = new Emitter(
    21,
    inputs.map(({ name }) => name),
  );
  const weights: TensorProto[] = [];
  const name = build(e, (dataType, dims, rawData) => {
    const weight = `w${weights.length}`;
    weights.push(create(TensorProtoSchema, { name: weight, dataType, dims: dims.map(BigInt), rawData }));
    return weight;
  });
  const graph = create(GraphProtoSchema, {
    name: 'bench',
    node: e.nodes,
    initializer: [...weights, ...e.initializers],
    input: inputs.map((input) => valueInfo(input.name, input.type, input.dims)),
    output: [valueInfo(name, output.type, output.dims)],
  });
  const opsetImport = [
    { domain: '', version: 21n },
    { domain: MICROSOFT, version: 1n },
  ];
  return concatChunks(encodeModel(create(ModelProtoSchema, { irVersion: 10n, opsetImport, graph })));
}
