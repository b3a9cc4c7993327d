import type { Emitter } from '../onnx/index.js';
import type { Decoder } from './decoder.js';
import type { Rewritten } from './drop.js';
import type { Strategy } from './strategies/strategy.js';
import { FastvError } from '../errors.js';

/** Masking mode: under construction. */
export function mask(
  decoder: Decoder,
  emit: Emitter,
  stages: readonly number[],
  strategy: Strategy,
): Rewritten {
  throw new FastvError(
    'unsupported-decoder',
    `mask mode ${decoder.opset} ${emit.nodes.length} ${stages.length} ${strategy.name}`,
  );
}
