// The graph contract: what a rewritten decoder has besides what it had (docs/graph-contract.md).
import { create } from '@bufbuild/protobuf';
import { ValueInfoProtoSchema, type ValueInfoProto } from 'onnx-buf';
import type { DataType } from '../onnx/index.js';

/** Input, bool [batch, sequence]: true at the image tokens of this call's inputs_embeds. */
export const IMAGE_TOKEN_MASK = 'image_token_mask';
/** Input, float32 [stages]: R in [0, 1] for each pruning stage. */
export const PRUNE_RATIO = 'prune_ratio';
/** Input, float32 [batch, sequence], only with strategies that need the caller's scores. */
export const IMAGE_TOKEN_SCORES = 'image_token_scores';
/** Output, int64 [batch, kept]: kept places of this call's sequence, ascending, after the last stage. */
export const KEPT_INDICES = 'kept_indices';

/** The declaration of a graph input or output; a string is a symbolic axis. */
export function valueInfo(
  name: string,
  elemType: DataType,
  axes: readonly (string | number)[],
): ValueInfoProto {
  const dim = axes.map((axis) =>
    typeof axis === 'string'
      ? { value: { case: 'dimParam' as const, value: axis } }
      : { value: { case: 'dimValue' as const, value: BigInt(axis) } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}
