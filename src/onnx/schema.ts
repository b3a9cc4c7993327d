// ONNX's messages: what onnx.proto of ONNX 1.20 declares, each as a type and a table of its fields' numbers.
// https://github.com/onnx/onnx/blob/v1.20.0/onnx/onnx.proto has what they mean. The compiler holds each table against its
// type; schema.test.ts holds them against the generated ones.
import {
  bytes,
  byteStrings,
  defineMessage,
  enumeration,
  float,
  floats,
  int32,
  int64,
  int64s,
  message,
  messages,
  packed,
  string,
  strings,
  type Message,
  type Schema,
} from './message.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** Which field of an attribute holds its value. */
export const AttributeProto_AttributeType = {
  UNDEFINED: 0,
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  SPARSE_TENSOR: 11,
  TYPE_PROTO: 13,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  TENSORS: 9,
  GRAPHS: 10,
  SPARSE_TENSORS: 12,
  TYPE_PROTOS: 14,
} as const;
export type AttributeProto_AttributeType =
  (typeof AttributeProto_AttributeType)[keyof typeof AttributeProto_AttributeType];

/** A named value of a node, in the field that its `type` says. */
export interface AttributeProto extends Message {
  name: string;
  /** In a function: the attribute of the calling node that is meant; this one has no value then. */
  refAttrName: string;
  docString: string;
  type: AttributeProto_AttributeType;
  f: number;
  i: bigint;
  /** UTF-8 */
  s: Bytes;
  t?: TensorProto;
  g?: GraphProto;
  sparseTensor?: SparseTensorProto;
  tp?: TypeProto;
  floats: number[];
  ints: bigint[];
  strings: Bytes[];
  tensors: TensorProto[];
  graphs: GraphProto[];
  sparseTensors: SparseTensorProto[];
  typeProtos: TypeProto[];
}
/** The fields of a {@link AttributeProto}. */
export const AttributeProtoSchema: Schema<AttributeProto> = defineMessage({
  name: string(1),
  f: float(2),
  i: int64(3),
  s: bytes(4),
  t: message(5, () => TensorProtoSchema),
  g: message(6, () => GraphProtoSchema),
  floats: floats(7),
  ints: int64s(8),
  strings: byteStrings(9),
  tensors: messages(10, () => TensorProtoSchema),
  graphs: messages(11, () => GraphProtoSchema),
  docString: string(13),
  tp: message(14, () => TypeProtoSchema),
  typeProtos: messages(15, () => TypeProtoSchema),
  type: enumeration(20, AttributeProto_AttributeType),
  refAttrName: string(21),
  sparseTensor: message(22, () => SparseTensorProtoSchema),
  sparseTensors: messages(23, () => SparseTensorProtoSchema),
});

/** A tensor's name and type. */
export interface ValueInfoProto extends Message {
  name: string;
  type?: TypeProto;
  docString: string;
  metadataProps: StringStringEntryProto[];
}
/** The fields of a {@link ValueInfoProto}. */
export const ValueInfoProtoSchema: Schema<ValueInfoProto> = defineMessage({
  name: string(1),
  type: message(2, () => TypeProtoSchema),
  docString: string(3),
  metadataProps: messages(4, () => StringStringEntryProtoSchema),
});

/** An operator with the names of its inputs and outputs; an empty name is an input that is left out. */
export interface NodeProto extends Message {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  domain: string;
  /** Which of several functions of one name is meant. */
  overload: string;
  attribute: AttributeProto[];
  docString: string;
  metadataProps: StringStringEntryProto[];
  deviceConfigurations: NodeDeviceConfigurationProto[];
}
/** The fields of a {@link NodeProto}. */
export const NodeProtoSchema: Schema<NodeProto> = defineMessage({
  input: strings(1),
  output: strings(2),
  name: string(3),
  opType: string(4),
  attribute: messages(5, () => AttributeProtoSchema),
  docString: string(6),
  domain: string(7),
  overload: string(8),
  metadataProps: messages(9, () => StringStringEntryProtoSchema),
  deviceConfigurations: messages(10, () => NodeDeviceConfigurationProtoSchema),
});

/** A device and the group of devices that it stands for. */
export interface IntIntListEntryProto extends Message {
  key: bigint;
  value: bigint[];
}
/** The fields of a {@link IntIntListEntryProto}. */
export const IntIntListEntryProtoSchema: Schema<IntIntListEntryProto> = defineMessage({
  key: int64(1),
  value: int64s(2),
});

/** How a node is spread over devices. */
export interface NodeDeviceConfigurationProto extends Message {
  /** The name of a {@link DeviceConfigurationProto}. */
  configurationId: string;
  shardingSpec: ShardingSpecProto[];
  pipelineStage: number;
}
/** The fields of a {@link NodeDeviceConfigurationProto}. */
export const NodeDeviceConfigurationProtoSchema: Schema<NodeDeviceConfigurationProto> = defineMessage({
  configurationId: string(1),
  shardingSpec: messages(2, () => ShardingSpecProtoSchema),
  pipelineStage: int32(3),
});

/** How one tensor is cut into parts for devices. */
export interface ShardingSpecProto extends Message {
  tensorName: string;
  device: bigint[];
  indexToDeviceGroupMap: IntIntListEntryProto[];
  shardedDim: ShardedDimProto[];
}
/** The fields of a {@link ShardingSpecProto}. */
export const ShardingSpecProtoSchema: Schema<ShardingSpecProto> = defineMessage({
  tensorName: string(1),
  device: int64s(2),
  indexToDeviceGroupMap: messages(3, () => IntIntListEntryProtoSchema),
  shardedDim: messages(4, () => ShardedDimProtoSchema),
});

/** How one axis is cut. */
export interface ShardedDimProto extends Message {
  axis: bigint;
  simpleSharding: SimpleShardedDimProto[];
}
/** The fields of a {@link ShardedDimProto}. */
export const ShardedDimProtoSchema: Schema<ShardedDimProto> = defineMessage({
  axis: int64(1),
  simpleSharding: messages(2, () => SimpleShardedDimProtoSchema),
});

/** A size, or the name of one. */
type Size =
  | { case: 'dimValue'; value: bigint }
  | { case: 'dimParam'; value: string }
  | { case: undefined; value?: undefined };

/** One size of a sharded axis, and the number of parts. */
export interface SimpleShardedDimProto extends Message {
  dim: Size;
  numShards: bigint;
}
/** The fields of a {@link SimpleShardedDimProto}. */
export const SimpleShardedDimProtoSchema: Schema<SimpleShardedDimProto> = defineMessage({
  dim: { dimValue: int64(1), dimParam: string(2) },
  numShards: int64(3),
});

/** How a model is trained: two graphs and what they set. */
export interface TrainingInfoProto extends Message {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initializationBinding: StringStringEntryProto[];
  updateBinding: StringStringEntryProto[];
}
/** The fields of a {@link TrainingInfoProto}. */
export const TrainingInfoProtoSchema: Schema<TrainingInfoProto> = defineMessage({
  initialization: message(1, () => GraphProtoSchema),
  algorithm: message(2, () => GraphProtoSchema),
  initializationBinding: messages(3, () => StringStringEntryProtoSchema),
  updateBinding: messages(4, () => StringStringEntryProtoSchema),
});

/** An ONNX file. */
export interface ModelProto extends Message {
  irVersion: bigint;
  opsetImport: OperatorSetIdProto[];
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: bigint;
  docString: string;
  graph?: GraphProto;
  metadataProps: StringStringEntryProto[];
  trainingInfo: TrainingInfoProto[];
  functions: FunctionProto[];
  configuration: DeviceConfigurationProto[];
}
/** The fields of a {@link ModelProto}. */
export const ModelProtoSchema: Schema<ModelProto> = defineMessage({
  irVersion: int64(1),
  producerName: string(2),
  producerVersion: string(3),
  domain: string(4),
  modelVersion: int64(5),
  docString: string(6),
  graph: message(7, () => GraphProtoSchema),
  opsetImport: messages(8, () => OperatorSetIdProtoSchema),
  metadataProps: messages(14, () => StringStringEntryProtoSchema),
  trainingInfo: messages(20, () => TrainingInfoProtoSchema),
  functions: messages(25, () => FunctionProtoSchema),
  configuration: messages(26, () => DeviceConfigurationProtoSchema),
});

/** A name for several devices. */
export interface DeviceConfigurationProto extends Message {
  name: string;
  numDevices: number;
  device: string[];
}
/** The fields of a {@link DeviceConfigurationProto}. */
export const DeviceConfigurationProtoSchema: Schema<DeviceConfigurationProto> = defineMessage({
  name: string(1),
  numDevices: int32(2),
  device: strings(3),
});

/** A pair of texts. */
export interface StringStringEntryProto extends Message {
  key: string;
  value: string;
}
/** The fields of a {@link StringStringEntryProto}. */
export const StringStringEntryProtoSchema: Schema<StringStringEntryProto> = defineMessage({
  key: string(1),
  value: string(2),
});

/** The tensors that a quantised one's scale and zero point lie in. */
export interface TensorAnnotation extends Message {
  tensorName: string;
  quantParameterTensorNames: StringStringEntryProto[];
}
/** The fields of a {@link TensorAnnotation}. */
export const TensorAnnotationSchema: Schema<TensorAnnotation> = defineMessage({
  tensorName: string(1),
  quantParameterTensorNames: messages(2, () => StringStringEntryProtoSchema),
});

/** Nodes in topological order, with what goes in, what comes out and the weights. */
export interface GraphProto extends Message {
  node: NodeProto[];
  name: string;
  initializer: TensorProto[];
  sparseInitializer: SparseTensorProto[];
  docString: string;
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo: ValueInfoProto[];
  quantizationAnnotation: TensorAnnotation[];
  metadataProps: StringStringEntryProto[];
}
/** The fields of a {@link GraphProto}. */
export const GraphProtoSchema: Schema<GraphProto> = defineMessage({
  node: messages(1, () => NodeProtoSchema),
  name: string(2),
  initializer: messages(5, () => TensorProtoSchema),
  docString: string(10),
  input: messages(11, () => ValueInfoProtoSchema),
  output: messages(12, () => ValueInfoProtoSchema),
  valueInfo: messages(13, () => ValueInfoProtoSchema),
  quantizationAnnotation: messages(14, () => TensorAnnotationSchema),
  sparseInitializer: messages(15, () => SparseTensorProtoSchema),
  metadataProps: messages(16, () => StringStringEntryProtoSchema),
});

/** The element types of a tensor. */
export const TensorProto_DataType = {
  UNDEFINED: 0,
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
  COMPLEX64: 14,
  COMPLEX128: 15,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  FLOAT8E4M3FNUZ: 18,
  FLOAT8E5M2: 19,
  FLOAT8E5M2FNUZ: 20,
  UINT4: 21,
  INT4: 22,
  FLOAT4E2M1: 23,
  FLOAT8E8M0: 24,
  UINT2: 25,
  INT2: 26,
} as const;
export type TensorProto_DataType = (typeof TensorProto_DataType)[keyof typeof TensorProto_DataType];

/** Whether a tensor's bytes lie in another file. */
export const TensorProto_DataLocation = { DEFAULT: 0, EXTERNAL: 1 } as const;
export type TensorProto_DataLocation =
  (typeof TensorProto_DataLocation)[keyof typeof TensorProto_DataLocation];

/** A tensor: its values lie in `rawData`, in the list of its type, or in another file. */
export interface TensorProto extends Message {
  dims: bigint[];
  /** A number of {@link TensorProto_DataType}, or of a later ONNX. */
  dataType: number;
  segment?: TensorProto_Segment;
  floatData: number[];
  int32Data: number[];
  stringData: Bytes[];
  int64Data: bigint[];
  name: string;
  docString: string;
  /** Little-endian, in the order of `dims`. */
  rawData: Bytes;
  externalData: StringStringEntryProto[];
  dataLocation: TensorProto_DataLocation;
  doubleData: number[];
  uint64Data: bigint[];
  metadataProps: StringStringEntryProto[];
}
/** The fields of a {@link TensorProto}. */
export const TensorProtoSchema: Schema<TensorProto> = defineMessage({
  dims: int64s(1),
  dataType: int32(2),
  segment: message(3, () => TensorProto_SegmentSchema),
  floatData: packed.float(4),
  int32Data: packed.int32(5),
  stringData: byteStrings(6),
  int64Data: packed.int64(7),
  name: string(8),
  rawData: bytes(9),
  doubleData: packed.double(10),
  uint64Data: packed.uint64(11),
  docString: string(12),
  externalData: messages(13, () => StringStringEntryProtoSchema),
  dataLocation: enumeration(14, TensorProto_DataLocation),
  metadataProps: messages(16, () => StringStringEntryProtoSchema),
});

/** The part of a tensor that this one holds. */
export interface TensorProto_Segment extends Message {
  begin: bigint;
  end: bigint;
}
/** The fields of a {@link TensorProto_Segment}. */
export const TensorProto_SegmentSchema: Schema<TensorProto_Segment> = defineMessage({
  begin: int64(1),
  end: int64(2),
});

/** A tensor as its values and where they are. */
export interface SparseTensorProto extends Message {
  values?: TensorProto;
  indices?: TensorProto;
  dims: bigint[];
}
/** The fields of a {@link SparseTensorProto}. */
export const SparseTensorProtoSchema: Schema<SparseTensorProto> = defineMessage({
  values: message(1, () => TensorProtoSchema),
  indices: message(2, () => TensorProtoSchema),
  dims: int64s(3),
});

/** The sizes of a tensor's axes. */
export interface TensorShapeProto extends Message {
  dim: TensorShapeProto_Dimension[];
}
/** The fields of a {@link TensorShapeProto}. */
export const TensorShapeProtoSchema: Schema<TensorShapeProto> = defineMessage({
  dim: messages(1, () => TensorShapeProto_DimensionSchema),
});

/** One axis: its size, or the name of its size. */
export interface TensorShapeProto_Dimension extends Message {
  value: Size;
  denotation: string;
}
/** The fields of a {@link TensorShapeProto_Dimension}. */
export const TensorShapeProto_DimensionSchema: Schema<TensorShapeProto_Dimension> = defineMessage({
  value: { dimValue: int64(1), dimParam: string(2) },
  denotation: string(3),
});

/** What a value is: a tensor, or something of tensors. */
export interface TypeProto extends Message {
  value:
    | { case: 'tensorType'; value: TypeProto_Tensor }
    | { case: 'sequenceType'; value: TypeProto_Sequence }
    | { case: 'mapType'; value: TypeProto_Map }
    | { case: 'optionalType'; value: TypeProto_Optional }
    | { case: 'sparseTensorType'; value: TypeProto_SparseTensor }
    | { case: undefined; value?: undefined };
  denotation: string;
}
/** The fields of a {@link TypeProto}. */
export const TypeProtoSchema: Schema<TypeProto> = defineMessage({
  value: {
    tensorType: message(1, () => TypeProto_TensorSchema),
    sequenceType: message(4, () => TypeProto_SequenceSchema),
    mapType: message(5, () => TypeProto_MapSchema),
    sparseTensorType: message(8, () => TypeProto_TensorSchema),
    optionalType: message(9, () => TypeProto_SequenceSchema),
  },
  denotation: string(6),
});

/** A tensor's element type and shape. */
export interface TypeProto_Tensor extends Message {
  elemType: number;
  shape?: TensorShapeProto;
}
/** A sparse tensor's type has the same fields. */
export type TypeProto_SparseTensor = TypeProto_Tensor;
/** The fields of a {@link TypeProto_Tensor}. */
export const TypeProto_TensorSchema: Schema<TypeProto_Tensor> = defineMessage({
  elemType: int32(1),
  shape: message(2, () => TensorShapeProtoSchema),
});

/** A list of values of one type. */
export interface TypeProto_Sequence extends Message {
  elemType?: TypeProto;
}
/** An optional's type has the same fields. */
export type TypeProto_Optional = TypeProto_Sequence;
/** The fields of a {@link TypeProto_Sequence}. */
export const TypeProto_SequenceSchema: Schema<TypeProto_Sequence> = defineMessage({
  elemType: message(1, () => TypeProtoSchema),
});

/** Values by keys. */
export interface TypeProto_Map extends Message {
  keyType: number;
  valueType?: TypeProto;
}
/** The fields of a {@link TypeProto_Map}. */
export const TypeProto_MapSchema: Schema<TypeProto_Map> = defineMessage({
  keyType: int32(1),
  valueType: message(2, () => TypeProtoSchema),
});

/** The version of an operator set; ONNX's own has an empty domain. */
export interface OperatorSetIdProto extends Message {
  domain: string;
  version: bigint;
}
/** The fields of a {@link OperatorSetIdProto}. */
export const OperatorSetIdProtoSchema: Schema<OperatorSetIdProto> = defineMessage({
  domain: string(1),
  version: int64(2),
});

/** An operator that is made of nodes. */
export interface FunctionProto extends Message {
  name: string;
  input: string[];
  output: string[];
  /** Names of attributes without a default. */
  attribute: string[];
  /** Attributes with their defaults. */
  attributeProto: AttributeProto[];
  node: NodeProto[];
  docString: string;
  opsetImport: OperatorSetIdProto[];
  domain: string;
  overload: string;
  valueInfo: ValueInfoProto[];
  metadataProps: StringStringEntryProto[];
}
/** The fields of a {@link FunctionProto}. */
export const FunctionProtoSchema: Schema<FunctionProto> = defineMessage({
  name: string(1),
  input: strings(4),
  output: strings(5),
  attribute: strings(6),
  node: messages(7, () => NodeProtoSchema),
  docString: string(8),
  opsetImport: messages(9, () => OperatorSetIdProtoSchema),
  domain: string(10),
  attributeProto: messages(11, () => AttributeProtoSchema),
  valueInfo: messages(12, () => ValueInfoProtoSchema),
  overload: string(13),
  metadataProps: messages(14, () => StringStringEntryProtoSchema),
});
