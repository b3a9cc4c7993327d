// The rewrite: a decoder in, a decoder that runs FastV out (arXiv 2403.06764, section 4). The model that is given is not
// changed, and its weights are neither decoded nor copied.
import type { ValueInfoProto } from 'onnx-buf';
import { EMBEDS, KEPT_INDICES } from '../decoder/contract.js';
import { attentionOf, recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { allNames, editModel, Emitter, type OnnxModel, type Pass } from '../onnx/index.js';
import { KEPT, newInputs, withSuffix } from './declarations.js';
import { allTokens } from './drop.js';
import { visibleTokens } from './mask.js';
import type { RewriteOptions, RewriteReport, StageReport } from './options.js';
import { checkCuts, planCuts, type PlannedStage } from './plan.js';
import { select } from './select.js';
import { chooseAmongImages } from './when-pruning.js';
import { ratioOf, stageContext } from './stage-context.js';
import { FastvError } from '../errors.js';
import { checkStanding, DEFAULT_STRATEGY, findStrategy, graphStrategy } from '../strategies/index.js';

/**
 * Rewrites a decoder (docs/graph-contract.md says what the result promises).
 * @param recognised what `recogniseDecoder` made of the model, where it was called already
 * @throws {FastvError} `unsupported-decoder` with the node that was not understood and what was expected;
 *   `malformed-model` for a graph that contradicts itself; `invalid-option` for a K that is out of range
 * @example
 * const { model } = rewriteDecoder(decodeModel(bytes), { stages: [{ layer: 2 }] });
 * await writeFile('pruned.onnx', concatChunks(encodeModel(model)));
 */
export function rewriteDecoder(
  model: OnnxModel,
  options: RewriteOptions,
  recognised?: Decoder,
): Pass<RewriteReport> {
  const { mode = 'drop', quota = 'float64' } = options;
  const asked = findStrategy(options.strategy ?? DEFAULT_STRATEGY);
  const strategy = graphStrategy(asked);
  const cuts = options.stages.map(({ layer }) => layer);
  const standing = checkStanding(options);
  const use = { weigh: standing.weights !== undefined, merge: standing.merge !== undefined };
  if (mode === 'mask' && (use.weigh || use.merge)) throw maskedStanding();

  // recognise: layers, their attention, their caches
  const original = recognised ?? recogniseDecoder(model);
  checkCuts(original, cuts, strategy);

  // plan: after which attention each cut falls, whose queries layer K−1 computes
  const plan = planCuts(original, cuts, (k) => allQueries(options, k === cuts[0]));
  const { decoder } = plan;
  const emit = new Emitter(decoder.opset, allNames(decoder.model.graph));

  let tokens = mode === 'mask' ? visibleTokens(plan, emit) : allTokens(plan, emit, strategy.needsScores, use);
  const choices: string[] = [];
  for (const stage of cuts.keys()) {
    // score: how much attention each image token gets from the last token at layer K−1
    const context = stageContext(plan, stage, tokens, emit, quota);
    const scores = strategy.score(context);
    // select: the image tokens with the highest scores, and all other tokens
    const { imageTokenMask, lost } = tokens;
    const kept = select(emit, scores, imageTokenMask, ratioOf(emit, stage, quota), quota, lost);
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
    inputs: [...graph.input.map(renamed), ...newInputs(strategy, cuts)],
    outputs: [...graph.output.map(renamed), KEPT],
  });
  const result = chooseAmongImages(whole, emit, choices);
  const nodes = { before: model.graph.node.length, after: result.graph.node.length };
  const stages = plan.stages.map((stage) => reportOf(stage, original));
  const report = { layers: decoder.layers.length, stages, strategy: asked.name, ...standing, mode, nodes };
  return { model: result, changed: true, report };
}

/** Why layer K−1 needs the queries of all tokens; undefined where those of the kept ones may be enough. */
function allQueries(
  { mode, earlyQueries = true, weights, merge }: RewriteOptions,
  firstStage: boolean,
): string | undefined {
  if (mode === 'mask') return 'masking keeps every token';
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
