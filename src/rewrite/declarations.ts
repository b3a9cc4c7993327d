// What a rewritten decoder declares besides what it had, and by which names of axes (docs/graph-contract.md).
import {
  ATTENTION_MASS,
  IMAGE_TOKEN_MASK,
  IMAGE_TOKEN_SCORES,
  IMAGE_TOKEN_SEGMENTS,
  KEPT_INDICES,
  PRUNE_RATIO,
} from '../decoder/contract.js';
import type { Decoder } from '../decoder/decoder.js';
import { DataType, renameAxes, valueInfo, type ValueInfoProto } from '../onnx/index.js';

/** The output of the contract. */
export const KEPT = valueInfo(KEPT_INDICES, DataType.INT64, ['batch_size', 'kept_sequence_length']);

/** Which inputs a graph takes besides. */
export interface Wanted {
  readonly scores?: boolean;
  readonly segments?: boolean;
  readonly mass?: boolean;
}

/** The inputs of the contract. */
export function newInputs({ scores, segments, mass }: Wanted, cuts: readonly number[]): ValueInfoProto[] {
  const tokens = ['batch_size', 'sequence_length'];
  return [
    valueInfo(IMAGE_TOKEN_MASK, DataType.BOOL, tokens),
    valueInfo(PRUNE_RATIO, DataType.FLOAT, [cuts.length]),
    ...(scores === true ? [valueInfo(IMAGE_TOKEN_SCORES, DataType.FLOAT, tokens)] : []),
    ...(segments === true ? [valueInfo(IMAGE_TOKEN_SEGMENTS, DataType.INT64, [...tokens, 3])] : []),
    ...(mass === true ? [valueInfo(ATTENTION_MASS, DataType.FLOAT, [cuts.length, 2])] : []),
  ];
}

/** Gives the lengths of a pruned layer's cache, and of the logits, names of their own; other axes keep theirs. */
export function withSuffix(
  info: ValueInfoProto,
  { layers }: Decoder,
  suffix: (layer: number) => string,
): ValueInfoProto {
  const layer = layers.find(({ attention: core }) =>
    [core?.pastKey, core?.pastValue, core?.presentKey, core?.presentValue].includes(info.name),
  );
  const index = info.name === 'logits' ? layers.length - 1 : layer?.index;
  const added = index === undefined ? '' : suffix(index);
  // [batch, KV heads, length, head size], [batch, length, vocabulary]
  const length = layer === undefined ? 1 : 2;
  return added === ''
    ? info
    : renameAxes(info, (name, axis) => (axis === length && name !== '' ? `${name}${added}` : name));
}
