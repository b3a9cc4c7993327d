// Reads a ModelProto. Weights are never decoded or copied: `rawData` of every tensor is a view into the source bytes.
import { fromBinary } from './protobuf.js';
import { ModelProtoSchema, type GraphProto, type ModelProto } from './schema.js';
import { FastvError } from '../errors.js';
import { isLfsPointer, LFS_HINT } from '../lfs-pointer.js';

/** A model whose graph is present: what {@link decodeModel} returns. */
export type OnnxModel = ModelProto & { graph: GraphProto };

/**
 * Parses an ONNX file.
 * @param bytes the whole file; they must not change afterwards, because tensors keep pointing into them
 * @param where the file's name, for the error
 * @throws {FastvError} `malformed-model` if the bytes are no ONNX model
 * @example
 * const { graph } = decodeModel(await readFile('decoder_model_merged.onnx'), 'decoder_model_merged.onnx');
 */
export function decodeModel(bytes: Uint8Array, where?: string): OnnxModel {
  const details = { ...(where === undefined ? {} : { where }), hint: 'Check that the file is complete.' };
  if (bytes.length === 0) throw new FastvError('malformed-model', 'the file is empty', details);
  if (isLfsPointer(bytes)) {
    throw new FastvError('malformed-model', 'this is a pointer of Git LFS, not the model', {
      ...details,
      hint: LFS_HINT,
    });
  }
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FastvError('malformed-model', `this is no ONNX model: ${reason}`, { ...details, cause });
  }
  if (!hasGraph(model) || model.graph.node.length === 0) {
    throw new FastvError('malformed-model', 'this is no ONNX model: it has no graph', details);
  }
  return model;
}

function hasGraph(model: ModelProto): model is OnnxModel {
  return model.graph !== undefined;
}
