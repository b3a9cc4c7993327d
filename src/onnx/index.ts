// ONNX files in and out, and graphs to look at and to add to. Runs in a browser as it is.
export { FASTV_ERROR_CODES, FastvError, type FastvErrorCode, type FastvErrorDetails } from '../errors.js';
export { decodeModel, type OnnxModel } from './read.js';
export { byteLength, concatChunks, encodeModel } from './write.js';
export { fromBinary, MAX_MODEL_BYTES, toBinary } from './protobuf.js';
export * from './schema.js';
export {
  allTensors,
  checkLocation,
  externalFiles,
  externalTensors,
  tensorBytes,
  type ExternalTensor,
} from './external.js';
export { allNames, GraphView, inSet, label, renameInputs, subgraphs, topologicalOrder } from './graph.js';
export { Emitter, MICROSOFT, ON_PROCESSOR, type AttributeValue, type OpOptions } from './emit.js';
export { floatAttribute, intAttribute, intsAttribute } from './attributes.js';
export { rankOf } from './rank.js';
export { declaredType, elementType } from './element-type.js';
export {
  DataType,
  dataType,
  dataTypeName,
  doubleTensor,
  elementCount,
  floatTensor,
  int64Tensor,
  readInts,
} from './tensor.js';
export { renameAxes, valueInfo } from './value-info.js';
export {
  checkOperator,
  checkOperators,
  firstInput,
  input,
  inputs,
  isOperator,
  opsetOf,
  OWN_DOMAINS,
  withInputs,
  withoutAttributes,
  type InputOf,
  type OperatorName,
  type OperatorNode,
} from './operators.js';
export { create, withFields, type Init, type Message, type Schema } from './message.js';
export { editModel, withGraph, type Edit, type Pass } from './edit.js';
