// Writes ONNX graphs node by node, straight into the protobuf messages: nothing of src/ is used, so that toys can
// tell when src/ is wrong.

import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  TensorProto_DataType,
  TensorShapeProtoSchema,
  TensorShapeProto_DimensionSchema,
  TypeProtoSchema,
  TypeProto_TensorSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { toHalfBits, type FloatType } from './half.js';

export type ElementType = FloatType | 'int8' | 'uint8' | 'int32' | 'int64' | 'bool';

const elementTypes: Readonly<Record<ElementType, TensorProto_DataType>> = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  bfloat16: TensorProto_DataType.BFLOAT16,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
  int32: TensorProto_DataType.INT32,
  int64: TensorProto_DataType.INT64,
  bool: TensorProto_DataType.BOOL,
};

/** An attribute's value; ONNX tells integers from floats, JavaScript does not. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly string: string }
  | { readonly type: ElementType }
  | { readonly graph: GraphProto };

export type Attributes = Readonly<Record<string, Attribute>>;

export type Shape = readonly (number | string)[];

export interface NodeOptions {
  /** Full output names; '' leaves an optional output out. Without it, the node has one output. */
  readonly outputs?: readonly string[];
  readonly domain?: 'com.microsoft';
}

export class GraphBuilder {
  readonly opset: number;
  /** Type of the decoder's activations and of weights added by `weight`. */
  readonly dtype: FloatType;
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #constants = new Set<string>();
  readonly #counters = new Map<string, number>();
  #scope = 'model';

  constructor(opset: number, dtype: FloatType) {
    this.opset = opset;
    this.dtype = dtype;
  }

  /** Names of the nodes that follow start with `/scope/`. */
  scope(name: string): void {
    this.#scope = name;
  }

  input(name: string, type: ElementType, shape: Shape): string {
    this.#inputs.push(valueInfo(name, type, shape));
    return name;
  }

  output(name: string, type: ElementType, shape: Shape): string {
    this.#outputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** Adds a node and returns its first output's name. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    options: NodeOptions = {},
  ): string {
    const count = this.#counters.get(`${this.#scope}/${op}`) ?? 0;
    this.#counters.set(`${this.#scope}/${op}`, count + 1);
    const name = `/${this.#scope}/${op}${count === 0 ? '' : `_${count}`}`;
    const outputs = options.outputs ?? [`${name}/output_0`];
    this.#nodes.push(
      create(NodeProtoSchema, {
        name,
        opType: op,
        domain: options.domain ?? '',
        input: [...inputs],
        output: [...outputs],
        attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      }),
    );
    return outputs[0] ?? '';
  }

  /** Adds a node with `count` outputs and returns their names. */
  split(op: string, inputs: readonly string[], attributes: Attributes, count: number): string[] {
    const id = this.#counters.get('outputs') ?? 0;
    this.#counters.set('outputs', id + 1);
    const outputs = Array.from({ length: count }, (_, i) => `/${this.#scope}/${op}.${id}/output_${i}`);
    this.node(op, inputs, attributes, { outputs });
    return outputs;
  }

  cast(value: string, to: ElementType): string {
    return this.node('Cast', [value], { to: { type: to } });
  }

  /** A float tensor stored as `type` (the decoder's own type unless told). */
  weight(
    name: string,
    dims: readonly number[],
    values: ArrayLike<number>,
    type: FloatType = this.dtype,
  ): string {
    const bytes =
      type === 'float32' ? bytesOf(Float32Array.from(Array.from(values))) : bytesOf(toHalfBits(type, values));
    return this.tensor(name, type, dims, bytes);
  }

  tensor(name: string, type: ElementType, dims: readonly number[], data: Uint8Array<ArrayBuffer>): string {
    if (this.#constants.has(name)) return name;
    this.#constants.add(name);
    this.#initializers.push(
      create(TensorProtoSchema, {
        name,
        dims: dims.map(BigInt),
        dataType: elementTypes[type],
        rawData: data,
      }),
    );
    return name;
  }

  /** An int64 scalar, shared by name. */
  scalar(value: number): string {
    return this.tensor(`/constants/INT64/${value}`, 'int64', [], bytesOf(BigInt64Array.of(BigInt(value))));
  }

  /** An int64 vector, shared by name. */
  ints(...values: number[]): string {
    const data = bytesOf(BigInt64Array.from(values, BigInt));
    return this.tensor(`/constants/INT64/[${values.join(',')}]`, 'int64', [values.length], data);
  }

  /** A float scalar, shared by name. */
  float(value: number, type: FloatType = this.dtype): string {
    return this.weight(`/constants/${type}/${value}`, [], [value], type);
  }

  /** One axis of a tensor's shape, an int64 scalar. */
  dim(value: string, axis: number): string {
    return this.node('Gather', [this.node('Shape', [value]), this.scalar(axis)], { axis: { int: 0 } });
  }

  unsqueeze(value: string, ...axes: number[]): string {
    return this.node('Unsqueeze', [value, this.ints(...axes)]);
  }

  reshape(value: string, ...dims: number[]): string {
    return this.node('Reshape', [value, this.ints(...dims)]);
  }

  transpose(value: string, ...perm: number[]): string {
    return this.node('Transpose', [value], { perm: { ints: perm } });
  }

  /** A vector from scalars (names) and constants, for shapes. */
  vector(...parts: (string | number)[]): string {
    const vectors = parts.map((part) =>
      typeof part === 'number' ? this.ints(part) : this.unsqueeze(part, 0),
    );
    return this.node('Concat', vectors, { axis: { int: 0 } });
  }

  /** The graph as a node's body. */
  toGraph(name: string): GraphProto {
    return create(GraphProtoSchema, {
      name,
      node: this.#nodes,
      initializer: this.#initializers,
      input: this.#inputs,
      output: this.#outputs,
    });
  }

  toBytes(): Uint8Array {
    const model = create(ModelProtoSchema, {
      irVersion: this.opset >= 23 ? 11n : this.opset >= 21 ? 10n : 8n,
      producerName: 'toy',
      graph: this.toGraph('toy_decoder'),
      opsetImport: [
        create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(this.opset) }),
        create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
      ],
    });
    return toBinary(ModelProtoSchema, model);
  }
}

/** A typed array's bytes (not copied). */
export function bytesOf(
  data:
    | Float32Array<ArrayBuffer>
    | Uint16Array<ArrayBuffer>
    | BigInt64Array<ArrayBuffer>
    | Uint8Array<ArrayBuffer>
    | Int8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function attribute(name: string, value: Attribute): AttributeProto {
  const type = AttributeProto_AttributeType;
  if ('int' in value) return create(AttributeProtoSchema, { name, type: type.INT, i: BigInt(value.int) });
  if ('float' in value) return create(AttributeProtoSchema, { name, type: type.FLOAT, f: value.float });
  if ('ints' in value)
    return create(AttributeProtoSchema, { name, type: type.INTS, ints: value.ints.map(BigInt) });
  if ('graph' in value) return create(AttributeProtoSchema, { name, type: type.GRAPH, g: value.graph });
  if ('type' in value) {
    return create(AttributeProtoSchema, { name, type: type.INT, i: BigInt(elementTypes[value.type]) });
  }
  return create(AttributeProtoSchema, { name, type: type.STRING, s: bytesOf(Buffer.from(value.string)) });
}

function valueInfo(name: string, type: ElementType, shape: Shape): ValueInfoProto {
  const dim = shape.map((size) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === 'number'
          ? { case: 'dimValue', value: BigInt(size) }
          : { case: 'dimParam', value: size },
    }),
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: 'tensorType',
        value: create(TypeProto_TensorSchema, {
          elemType: elementTypes[type],
          shape: create(TensorShapeProtoSchema, { dim }),
        }),
      },
    }),
  });
}
