// The rewrite: a decoder in, a decoder that runs FastV out (arXiv 2403.06764, section 4). The model that is given is not
// changed, and its weights are neither decoded nor copied.
import { ATTENTION_MASS, EMBEDS, KEPT_INDICES } from '../decoder/contract.js';
import { attentionOf, recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import {
  allNames,
  DataType,
  editModel,
  Emitter,
  type OnnxModel,
  type Pass,
  type ValueInfoProto,
} from '../onnx/index.js';
import { massBudget, shareBudget, type Budget } from './budget.js';
import { KEPT, newInputs, withSuffix } from './declarations.js';
import { allTokens } from './drop.js';
import type { visibleTokens } from './mask.js';
import type { RewriteOptions, RewriteReport, StageReport } from './options.js';
import { checkCuts, planCuts, type PlannedStage } from './plan.js';
import type { QuotaArithmetic } from './quota.js';
import { select } from './select.js';
import { chooseAmongImages } from './when-pruning.js';
import { ratioOf, stageContext } from './stage-context.js';
import { FastvError } from '../errors.js';
import { insideGraph } from '../strategies/find.js';
import {
  checkStanding,
  type GraphStrategy,
  type PerImage,
  type StageContext,
  type Strategy,
} from '../strategies/unlisted.js';
import type { sharedOut } from '../strategies/pool.js';

/** How the images of a row share what is kept. */
export interface Sharing {
  readonly perImage: PerImage;
  readonly sharedOut: typeof sharedOut;
}

/** What a rewrite may be given besides its options: code that a page fetches only with the options that need it. */
export interface Given {
  /** What `recogniseDecoder` made of the model, where it was called already. */
  readonly recognised?: Decoder;
  /** The tokens of masking mode; default: those of dropping mode. */
  readonly masked?: typeof visibleTokens;
  readonly sharing?: Sharing | undefined;
}

/**
 * Rewrites a decoder by a strategy that is at hand; `rewriteDecoder` takes its name.
 * @throws {FastvError} `unsupported-decoder` with the node that was not understood and what was expected;
 *   `malformed-model` for a graph that contradicts itself; `invalid-option` for a K that is out of range
 */
export function rewriteBy(
  asked: Strategy,
  model: OnnxModel,
  options: Omit<RewriteOptions, 'strategy' | 'mode' | 'perImage'>,
  { recognised, masked, sharing }: Given = {},
): Pass<RewriteReport> {
  const { quota = 'float64' } = options;
  const mode: RewriteReport['mode'] = masked === undefined ? 'drop' : 'mask';
  const strategy = insideGraph(asked);
  const cuts = options.stages.map(({ layer }) => layer);
  const standing = checkStanding(options);
  const use = { weigh: standing.weights !== undefined, merge: standing.merge !== undefined };
  if (mode === 'mask' && (use.weigh || use.merge)) throw maskedStanding();
  const perImage = sharing?.perImage;
  const wanted = {
    scores: strategy.needsScores === true,
    segments: strategy.needsSegments === true || options.segments === true,
    mass: options.mass === true,
  };

  // recognise: layers, their attention, their caches
  const original = recognised ?? recogniseDecoder(model);
  checkCuts(original, cuts, strategy, wanted.mass);

  // plan: after which attention each cut falls, whose queries layer K−1 computes
  const plan = planCuts(original, cuts, (k) => allQueries({ ...options, mode }, strategy, k === cuts[0]));
  const { decoder } = plan;
  const emit = new Emitter(decoder.opset, allNames(decoder.model.graph));

  let tokens = masked?.(plan, emit, wanted.segments) ?? allTokens(plan, emit, wanted, use);
  const choices: string[] = [];
  for (const stage of cuts.keys()) {
    // score: how much attention each image token gets from the last token at layer K−1
    const budgetOf = (of: StageContext): Budget => {
      const ratio = ratioOf(emit, stage, quota);
      return wanted.mass ? byMass(of, stage, ratio, quota) : shareBudget(emit, ratio, quota);
    };
    const context = stageContext(plan, stage, tokens, emit, budgetOf, perImage);
    const own = strategy.score(context);
    // select: the image tokens with the highest scores, and all other tokens
    const { imageTokenMask, lost } = tokens;
    const kept = emit.onProcessor(() => {
      const scores = sharing?.sharedOut(context, own) ?? own;
      return select(emit, scores, imageTokenMask, budgetOf(context), lost);
    });
    choices.push(kept.indices);
    // gather: layers K… see those only
    tokens = tokens.keep(kept.indices, () => context.residualBefore());
  }

  // finish: the graph's nodes for the tokens that they see, and what the contract adds
  const { replace, keptIndices, axisSuffix } = tokens.finish();
  emit.op('Identity', [keptIndices], { output: KEPT_INDICES });
  const { graph } = decoder.model;
  const renamed = (info: ValueInfoProto): ValueInfoProto => withSuffix(info, decoder, axisSuffix);
  const whole = editModel(decoder.model, {
    replace,
    emit,
    inputs: [...graph.input.map(renamed), ...newInputs(wanted, cuts)],
    outputs: [...graph.output.map(renamed), KEPT],
  });
  const result = chooseAmongImages(whole, emit, choices);
  const nodes = { before: model.graph.node.length, after: result.graph.node.length };
  const stages = plan.stages.map((stage) => reportOf(stage, original));
  const report = {
    layers: decoder.layers.length,
    stages,
    strategy: asked.name,
    ...standing,
    ...(perImage && { perImage }),
    ...(wanted.mass && { mass: true as const }),
    mode,
    nodes,
  };
  return { model: result, changed: true, report };
}

/** As many tokens as hold a share of the attention: what the caller says of a stage. */
function byMass(context: StageContext, stage: number, ratio: string, arithmetic: QuotaArithmetic): Budget {
  const { emit, imageTokenMask } = context;
  const given = (i: number): string =>
    emit.gather(emit.gather(ATTENTION_MASS, emit.int(stage), 0), emit.int(i), 0);
  const greatest = emit.op('Sub', [emit.float(1), given(1)]);
  return massBudget(
    emit,
    {
      attention: context.lastRowAttention(),
      imageTokenMask,
      share: given(0),
      ratio,
      greatest: arithmetic === 'float64' ? emit.cast(greatest, DataType.DOUBLE) : greatest,
    },
    arithmetic,
  );
}

/** Why layer K−1 needs the queries of all tokens; undefined where those of the kept ones may be enough. */
function allQueries(
  { mode, earlyQueries = true, weights, merge }: RewriteOptions,
  { name, needsQueries }: GraphStrategy,
  firstStage: boolean,
): string | undefined {
  if (mode === 'mask') return 'masking keeps every token';
  if (needsQueries === true) return `${name} looks at more than the last token's query`;
  if (merge !== undefined) return 'what is dropped is merged with what is kept';
  if (weights !== undefined && !firstStage) return 'its attention weighs its keys';
  return earlyQueries ? undefined : 'switched off';
}

function maskedStanding(): FastvError {
  return new FastvError('invalid-option', 'masked tokens are hidden, they join no others', {
    where: 'mode',
    hint: 'Use dropping mode with weights and merge.',
  });
}

function reportOf({ k, queries }: PlannedStage, original: Decoder): StageReport {
  const after = k === 0 ? EMBEDS : attentionOf(original, k - 1).output;
  return typeof queries === 'string'
    ? { layer: k, after, queries: 'all', queriesReason: queries }
    : { layer: k, after, queries: 'kept' };
}
