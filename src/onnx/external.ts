// External data: which other files a model's weights lie in, and whether those names can be trusted.
import {
  TensorProto_DataLocation,
  TensorProto_DataType as DataType,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type TensorProto,
} from './schema.js';
import { FastvError } from '../errors.js';
import { elementCount } from './tensor.js';

/** The part of an external file that one tensor's bytes take. */
export interface ExternalTensor {
  readonly tensor: string;
  readonly location: string;
  /** Offset into the file, in bytes. */
  readonly offset: number;
  /** Length in bytes: as declared, else as type and dims give it, else undefined (to the file's end). */
  readonly length: number | undefined;
}

/**
 * All tensors of a model that lie in other files.
 * @throws {FastvError} `external-data` if a location leaves the model's folder or its numbers make no sense
 * @example
 * for (const { location, offset, length } of externalTensors(decodeModel(bytes))) console.log(location, offset, length);
 */
export function externalTensors(model: ModelProto): ExternalTensor[] {
  return [...allTensors(model)]
    .filter((tensor) => tensor.dataLocation === TensorProto_DataLocation.EXTERNAL)
    .map(externalTensor);
}

/**
 * The names of the files that a model's weights lie in, each once, in order of appearance.
 * @example
 * externalFiles(decodeModel(bytes)); // ['decoder_model_merged.onnx_data']
 */
export function externalFiles(model: ModelProto): string[] {
  return [...new Set(externalTensors(model).map(({ location }) => location))];
}

/**
 * Checks a location: a relative path without `..`, drive letters or control characters, so that it cannot leave the
 * model's folder.
 * @throws {FastvError} `external-data`
 * @example
 * checkLocation('decoder.onnx_data', 'lm_head.weight'); // '../decoder.onnx_data' throws
 */
export function checkLocation(location: string, tensor: string): void {
  const parts = location.split(/[/\\]/u);
  const escapes =
    location === '' ||
    location.length > 1024 ||
    /^[a-z]:|[\u0000-\u001f]|:\/\//iu.test(location) ||
    parts.some((part) => part === '' || part === '.' || part === '..');
  if (escapes) {
    throw new FastvError(
      'external-data',
      `the weights of "${tensor}" are said to lie in ${JSON.stringify(location)}, which is outside the model's folder`,
      { where: tensor, hint: 'External data must be a file name relative to the model, without "..".' },
    );
  }
}

function externalTensor(tensor: TensorProto): ExternalTensor {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location') ?? '';
  checkLocation(location, tensor.name);
  return {
    tensor: tensor.name,
    location,
    offset: bytes(entries.get('offset') ?? '0', 'offset', tensor),
    length: entries.has('length')
      ? bytes(entries.get('length') ?? '', 'length', tensor)
      : tensorBytes(tensor),
  };
}

function bytes(text: string, what: string, tensor: TensorProto): number {
  const value = /^\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new FastvError(
      'external-data',
      `"${tensor.name}" has an impossible ${what}: ${JSON.stringify(text)}`,
      {
        where: tensor.name,
      },
    );
  }
  return value;
}

/** Bits an element takes, by type; strings and unknown types have no fixed width. */
const BITS: Partial<Record<number, number>> = {
  [DataType.FLOAT]: 32,
  [DataType.UINT8]: 8,
  [DataType.INT8]: 8,
  [DataType.UINT16]: 16,
  [DataType.INT16]: 16,
  [DataType.INT32]: 32,
  [DataType.INT64]: 64,
  [DataType.BOOL]: 8,
  [DataType.FLOAT16]: 16,
  [DataType.DOUBLE]: 64,
  [DataType.UINT32]: 32,
  [DataType.UINT64]: 64,
  [DataType.BFLOAT16]: 16,
  [DataType.UINT4]: 4,
  [DataType.INT4]: 4,
};

/**
 * The bytes that a tensor's values take, from its type and dims; undefined where the type has no fixed width.
 * @example
 * tensorBytes(floatTensor([1, 2, 3])); // 12
 */
export function tensorBytes(tensor: TensorProto): number | undefined {
  const bits = BITS[tensor.dataType];
  const count = elementCount(tensor);
  return bits === undefined || count === undefined ? undefined : Math.ceil((count * bits) / 8);
}

/**
 * Every tensor of a model: initialisers, sparse ones, and constants in attributes, in all subgraphs and functions.
 * @example
 * const bytes = [...allTensors(model)].reduce((sum, tensor) => sum + (tensorBytes(tensor) ?? 0), 0);
 */
export function* allTensors(model: ModelProto): Generator<TensorProto> {
  if (model.graph !== undefined) yield* tensorsOfGraph(model.graph);
  for (const body of model.functions) {
    for (const node of body.node) yield* tensorsOfAttributes(node.attribute);
  }
}

function* tensorsOfGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  for (const { values, indices } of graph.sparseInitializer) {
    if (values !== undefined) yield values;
    if (indices !== undefined) yield indices;
  }
  for (const node of graph.node) yield* tensorsOfAttributes(node.attribute);
}

function* tensorsOfAttributes(attributes: readonly AttributeProto[]): Generator<TensorProto> {
  for (const attribute of attributes) {
    if (attribute.t !== undefined) yield attribute.t;
    yield* attribute.tensors;
    if (attribute.g !== undefined) yield* tensorsOfGraph(attribute.g);
    for (const graph of attribute.graphs) yield* tensorsOfGraph(graph);
  }
}
