// What a strategy may look at, at one stage. Everything is emitted when it is asked for.
import type { AttentionCore, RowContext } from '../decoder/attention/core.js';
import { headCounts } from '../decoder/attention/heads.js';
import { lastRowAttention, lastRowHeads } from '../decoder/attention/rows.js';
import { EMBEDS, PRUNE_RATIO } from '../decoder/contract.js';
import { attentionOf } from '../decoder/decoder.js';
import { residualBefore } from '../decoder/residual.js';
import { rotationOf, type Rotation } from '../decoder/rotation.js';
import { FastvError } from '../errors.js';
import { DataType, type Emitter } from '../onnx/index.js';
import type { Budget } from './budget.js';
import { runsOfImages } from './clusters.js';
import type { Plan } from './plan.js';
import type { QuotaArithmetic } from './quota.js';
import { keepCounts } from './select.js';
import {
  MOST_ROWS,
  unitRows,
  type ImageShares,
  type PerImage,
  type Segments,
  type StageContext,
} from '../strategies/unlisted.js';
import type { Tokens } from './tokens.js';

/** The context of a stage. */
export function stageContext(
  { decoder, stages, partition }: Plan,
  stage: number,
  tokens: Tokens,
  emit: Emitter,
  budgetOf: (context: StageContext) => Budget,
  perImage?: PerImage,
): StageContext {
  const { graph } = decoder;
  const k = stages[stage]?.k ?? 0;
  const core = (): AttentionCore => attentionOf(decoder, k - 1);
  /** The last entries of an axis that holds the cache and this call's tokens. */
  const thisCall = (tensor: string, axis: number): string =>
    emit.slice(tensor, emit.op('Neg', [tokens.length()]), emit.ints(Number.MAX_SAFE_INTEGER), axis);
  const row = (count?: string): RowContext => ({
    emit,
    graph,
    core: core(),
    node: tokens.inPlace(core()),
    mask: tokens.mask(),
    positions: () => tokens.positions(core()),
    rowSource: tokens.rowSource(),
    weighed: tokens.weighed === true,
    ...(count !== undefined && { count }),
  });
  const keys = (): string => thisCall(core().keys, 2);
  const attended = (): string => emit.castToBool(thisCall(tokens.mask(), 1));
  const allQueries = (): void => {
    if (typeof stages[stage]?.queries !== 'object') return;
    throw new FastvError('invalid-option', 'this strategy looks at the queries of tokens that have none', {
      where: `layer ${k - 1}`,
      hint: 'A strategy that asks for rows of text or for unrotated queries says needsQueries: true.',
    });
  };
  /** The mean of the rows of the text behind each row's last image token: float32 [batch, heads, sequence]. */
  const textRows = (): string => {
    allQueries();
    const { imageTokenMask } = tokens;
    const places = emit.range(emit.dim(imageTokenMask, 1));
    const lastImage = emit.reduce(
      'ReduceMax',
      emit.op('Where', [imageTokenMask, places, emit.int(-1)]),
      [1],
      true,
    ); // [batch, 1]
    const lastToken = emit.op('Sub', [emit.dim(imageTokenMask, 1), emit.int(1)]);
    const isLast = emit.op('Equal', [places, lastToken]);
    const behind = emit.op('And', [attended(), emit.op('Greater', [places, lastImage])]);
    const wanted = emit.op('Or', [behind, emit.unsqueeze(isLast, 0)]);
    const furthest = emit.op('Sub', [lastToken, emit.reduce('ReduceMin', lastImage, [0, 1], false)]);
    const most = emit.op('Min', [emit.op('Max', [furthest, emit.int(1)]), emit.int(MOST_ROWS)]);
    const count = emit.reshape(emit.op('Min', [most, emit.dim(imageTokenMask, 1)]), emit.ints(1));
    const { rows } = core().kind.rows(row(count)); // [batch, heads, rows, total]
    const taken = emit.castToFloat(
      emit.slice(wanted, emit.op('Neg', [count]), emit.ints(Number.MAX_SAFE_INTEGER), 1),
    ); // [batch, rows]
    const share = emit.op('Div', [taken, emit.reduce('ReduceSum', taken, [1], true)]);
    const mean = emit.op('MatMul', [emit.unsqueeze(share, 1, 2), thisCall(rows, 3)]); // [batch, heads, 1, sequence]
    return emit.reshape(mean, emit.concat([emit.ints(0, -1), tokens.length()], 0));
  };
  /** Of heads the share that gives image tokens most: float32 [batch, fewer heads, sequence]. */
  const mostOn = (rows: string, share: number): string => {
    const onImages = emit.op('Where', [emit.unsqueeze(tokens.imageTokenMask, 1), rows, emit.float(0)]);
    const mass = emit.reduce('ReduceSum', onImages, [2], false);
    const heads = emit.castToFloat(emit.dim1(rows, 1));
    const count = emit.castToInt64(emit.op('Ceil', [emit.op('Mul', [heads, emit.float(share)])]));
    const [, chosen = ''] = emit.ops('TopK', [mass, count], { outputs: 2, attributes: { axis: 1n } });
    const shape = emit.concat([emit.op('Shape', [chosen]), emit.dim1(rows, 2)], 0);
    const at = emit.op('Expand', [emit.unsqueeze(chosen, 2), shape]);
    return emit.op('GatherElements', [rows, at], { attributes: { axis: 1n } });
  };
  /** Attention, or NaN where a row's image tokens get none: select then keeps them all. */
  const ofSomething = (attention: string): string => {
    const own = emit.op('Where', [tokens.imageTokenMask, attention, emit.float(0)]);
    const some = emit.op('Greater', [emit.reduce('ReduceMax', own, [1], true), emit.float(0)]);
    return emit.op('Where', [some, attention, emit.float(NaN)]);
  };
  /** The same of rows a head: NaN where no head gives a row's image tokens anything. */
  const ofSomeHead = (rows: string): string => {
    const own = emit.op('Where', [emit.unsqueeze(tokens.imageTokenMask, 1), rows, emit.float(0)]);
    const some = emit.op('Greater', [emit.reduce('ReduceMax', own, [1, 2], true), emit.float(0)]);
    return emit.op('Where', [some, rows, emit.float(NaN)]);
  };
  const attentionRows: StageContext['attentionRows'] = (which, heads = 1) => {
    const rows = ofSomeHead(which === 'last' ? thisCall(lastRowHeads(row()), 2) : textRows());
    return heads === 1 ? rows : mostOn(rows, heads);
  };
  const rotationBefore = (of: 'queries' | 'keys'): Rotation => rotationOf(graph, partition.flow, core(), of);
  /** What is rotated, a row a head: float32 [batch, heads, sequence, head size]. */
  const unrotated = (of: 'queries' | 'keys'): string => {
    const { heads, kvHeads } = headCounts(core());
    const perHead = (x: string): string =>
      emit.transpose(emit.reshape(x, emit.ints(0, 0, of === 'keys' ? kvHeads : heads, -1)), 0, 2, 1, 3);
    const inside = core().kind.unrotated?.(emit, core(), (tensor) => tokens.activation(tensor));
    if (core().rotation === 'in-op' && inside !== undefined) return perHead(emit.castToFloat(inside[of]));
    const { from, headMajor } = rotationBefore(of);
    const x = emit.castToFloat(tokens.activation(from));
    return headMajor ? x : perHead(x);
  };
  const rotation = (): { cos: string; sin: string } => {
    const inside = core().kind.unrotated?.(emit, core(), (tensor) => tokens.activation(tensor));
    const looked = (table: string, positions: string): string => emit.gather(table, positions, 0);
    /** [batch or 1, …, sequence, size] as [batch or 1, sequence, size]. */
    const flat = (x: string): string =>
      emit.reshape(x, emit.concat([emit.ints(-1), tokens.length(), emit.dim1(x, -1)], 0));
    if (core().rotation === 'in-op' && inside !== undefined) {
      const positions = tokens.positions(core());
      return {
        cos: emit.castToFloat(looked(inside.cos, positions)),
        sin: emit.castToFloat(looked(inside.sin, positions)),
      };
    }
    const found = rotationBefore('keys');
    const of = (name: 'cos' | 'sin'): string => {
      const table = tokens.activation(found[name], true);
      if (found.positions === undefined) return flat(emit.castToFloat(table));
      return emit.castToFloat(looked(table, tokens.activation(found.positions, true)));
    };
    return { cos: of('cos'), sin: of('sin') };
  };
  const segments = (): Segments => {
    const { imageTokenMask, segments: given } = tokens;
    const none = emit.int(0);
    if (given === undefined) {
      const runs = runsOfImages(emit, imageTokenMask);
      return { image: emit.op('Where', [imageTokenMask, runs, none]), grid: undefined };
    }
    const part = (i: number): string => emit.gather(given, emit.int(i), 2);
    const image = emit.op('Where', [imageTokenMask, emit.op('Max', [part(0), emit.int(1)]), none]);
    return { image, grid: { row: part(1), column: part(2) } };
  };
  const shares = (): ImageShares | undefined => {
    if (perImage === undefined) return undefined;
    const { image } = segments();
    const one = emit.op('Expand', [emit.float(1), emit.op('Shape', [image])]);
    if (perImage === 'even' || k === 0) return { image, weight: one };
    const paid = emit.op('Where', [tokens.imageTokenMask, context.lastRowAttention(), emit.float(0)]);
    const same = emit.op('Equal', [emit.unsqueeze(image, 2), emit.unsqueeze(image, 1)]);
    const mass = emit.op('MatMul', [emit.castToFloat(same), emit.unsqueeze(paid, 2)]);
    const weight = emit.reshape(mass, emit.op('Shape', [image]));
    // where attention is no number, images weigh the same
    return { image, weight: emit.op('Where', [emit.op('Equal', [weight, weight]), weight, one]) };
  };
  /** What is made of a layer's own tensors is made where they are, whatever is picked of it on the processor. */
  const there =
    <T>(make: () => T) =>
    (): T =>
      emit.onDevice(make);
  const context: StageContext = {
    emit,
    stage,
    imageTokenMask: tokens.imageTokenMask,
    lastRowAttention: there(() => ofSomething(thisCall(lastRowAttention(row()), 1))),
    lastRowHeads: there(() => attentionRows('last')),
    attentionRows: (which, heads) => emit.onDevice(() => attentionRows(which, heads)),
    attended,
    keys: there(keys),
    values: there(() => thisCall(core().presentValue, 2)),
    unrotatedQuery: there(() => {
      allQueries();
      return emit.last(unrotated('queries'), 2);
    }),
    unrotatedKeys: there(() => unrotated('keys')),
    rotation: there(rotation),
    segments,
    perImage: shares,
    features: there(() => unitRows(emit, emit.reduce('ReduceMean', emit.castToFloat(keys()), [1], false))),
    residualBefore: there(() => tokens.activation(k === 0 ? EMBEDS : residualBefore(decoder, k - 1))),
    residual: there(() => tokens.activation(residualBefore(decoder, k))),
    keepCount: () => keepCounts(emit, tokens.imageTokenMask, budgetOf(context)),
    callerScores: () => tokens.scores,
  };
  return context;
}

/** R of a stage: a scalar, float64 where quotas are counted so, which no GPU takes. */
export function ratioOf(emit: Emitter, stage: number, arithmetic: QuotaArithmetic): string {
  const ratios = arithmetic === 'float64' ? emit.cast(PRUNE_RATIO, DataType.DOUBLE) : PRUNE_RATIO;
  return emit.gather(ratios, emit.int(stage), 0);
}
