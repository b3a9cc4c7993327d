// What a strategy may look at, at one stage. Everything is emitted when it is asked for.
import type { AttentionCore, RowContext } from '../decoder/attention/core.js';
import { lastRowAttention, lastRowHeads } from '../decoder/attention/rows.js';
import { EMBEDS, PRUNE_RATIO } from '../decoder/contract.js';
import { attentionOf } from '../decoder/decoder.js';
import { residualBefore } from '../decoder/residual.js';
import { DataType, type Emitter } from '../onnx/index.js';
import type { Plan } from './plan.js';
import type { QuotaArithmetic } from './quota.js';
import { keepCounts } from './select.js';
import { unitRows, type StageContext } from '../strategies/index.js';
import type { Tokens } from './tokens.js';

/** The context of a stage. */
export function stageContext(
  { decoder, stages }: Plan,
  stage: number,
  tokens: Tokens,
  emit: Emitter,
  arithmetic: QuotaArithmetic,
): StageContext {
  const { graph } = decoder;
  const k = stages[stage]?.k ?? 0;
  const core = (): AttentionCore => attentionOf(decoder, k - 1);
  /** The last entries of an axis that holds the cache and this call's tokens. */
  const thisCall = (tensor: string, axis: number): string =>
    emit.slice(tensor, emit.op('Neg', [tokens.length()]), emit.ints(Number.MAX_SAFE_INTEGER), axis);
  const row = (): RowContext => ({
    emit,
    graph,
    core: core(),
    node: tokens.inPlace(core()),
    mask: tokens.mask(),
    positions: () => tokens.positions(core()),
    rowSource: tokens.rowSource(),
    weighed: tokens.weighed === true,
  });
  const keys = (): string => thisCall(core().keys, 2);
  return {
    emit,
    imageTokenMask: tokens.imageTokenMask,
    lastRowAttention: () => thisCall(lastRowAttention(row()), 1),
    lastRowHeads: () => thisCall(lastRowHeads(row()), 2),
    keys,
    features: () => unitRows(emit, emit.reduce('ReduceMean', emit.castToFloat(keys()), [1], false)),
    residualBefore: () => tokens.activation(k === 0 ? EMBEDS : residualBefore(decoder, k - 1)),
    residual: () => tokens.activation(residualBefore(decoder, k)),
    keepCount: () => keepCounts(emit, tokens.imageTokenMask, ratioOf(emit, stage, arithmetic), arithmetic),
    callerScores: () => tokens.scores,
  };
}

/** R of a stage: a scalar, float64 where quotas are counted so, which no GPU takes. */
export function ratioOf(emit: Emitter, stage: number, arithmetic: QuotaArithmetic): string {
  const ratios = arithmetic === 'float64' ? emit.cast(PRUNE_RATIO, DataType.DOUBLE) : PRUNE_RATIO;
  return emit.gather(ratios, emit.int(stage), 0);
}
