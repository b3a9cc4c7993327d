// What a strategy may look at, of which a test gives only what its strategy should need.
import type { Emitter } from '../src/onnx/index.js';
import type { StageContext } from '../src/strategies/index.js';

const absent = (): never => {
  throw new Error('not asked for');
};

/** A context with what is given; a strategy that looks at anything else fails. */
export function strategyContext(emit: Emitter, given: Partial<StageContext>): StageContext {
  return {
    emit,
    stage: 0,
    imageTokenMask: '',
    lastRowAttention: absent,
    lastRowHeads: absent,
    attentionRows: absent,
    attended: absent,
    values: absent,
    unrotatedQuery: absent,
    unrotatedKeys: absent,
    rotation: absent,
    segments: absent,
    perImage: () => undefined,
    keys: absent,
    features: absent,
    residualBefore: absent,
    residual: absent,
    keepCount: absent,
    callerScores: absent,
    ...given,
  };
}
