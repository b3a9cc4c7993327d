// The rewrite: a decoder in, a decoder that runs FastV out. The model that is given is not changed, and its weights are
// neither decoded nor copied.
import { create } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  ValueInfoProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { FastvError } from '../errors.js';
import {
  allNames,
  DataType,
  editModel,
  Emitter,
  GraphView,
  label,
  MICROSOFT,
  topologicalOrder,
  valueInfo,
  renameInputs,
  type OnnxModel,
} from '../onnx/index.js';
import { IMAGE_TOKEN_MASK, IMAGE_TOKEN_SCORES, KEPT_INDICES, PRUNE_RATIO } from '../decoder/contract.js';
import { EMBEDS } from '../decoder/contract.js';
import { attentionOf, recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { drop, type Rewritten } from './drop.js';
import { mask } from './mask.js';
import type { QuotaArithmetic } from './quota.js';
import {
  DEFAULT_STRATEGY,
  graphStrategy,
  type GraphStrategy,
  type Strategy,
  type StrategyName,
} from '../strategies/index.js';

/** One place where tokens are pruned. */
export interface Stage {
  /** K: layers 0…K−1 see every token that is left, layer K and later ones only the kept ones. */
  readonly layer: number;
}

export interface RewriteOptions {
  /** Pruning stages with ascending K; plain FastV has one. */
  readonly stages: readonly Stage[];
  /**
   * What ranks the image tokens: a strategy or its name. One that ranks outside the graph (`random`, `grid`) makes it
   * take scores, as `external` does.
   */
  readonly strategy?: StrategyName | 'external' | (string & {}) | Strategy;
  /** `drop` (default) shortens the sequence; `mask` keeps it and hides the same tokens, to prove that both agree. */
  readonly mode?: 'drop' | 'mask';
  /** How quotas are counted: `integer` for runtimes without float64 kernels, such as ONNX Runtime Web. */
  readonly quota?: QuotaArithmetic;
  /**
   * Whether layer K−1 computes queries for the kept tokens only (default true), where that gives the same result
   * (`queries.ts`); the report says where it does.
   */
  readonly earlyQueries?: boolean;
}

/** What was done at one stage. */
export interface StageReport {
  /** K */
  readonly layer: number;
  /** The tensor after which the cut falls. */
  readonly after: string;
  /** Whose queries layer K−1 computes, besides the last token's. */
  readonly queries: 'kept' | 'all';
  /** Why those of all tokens. */
  readonly queriesReason?: string;
}

/** What was done, for people and for `--json`. */
export interface RewriteReport {
  readonly layers: number;
  readonly stages: readonly StageReport[];
  readonly strategy: string;
  readonly mode: 'drop' | 'mask';
  /** Nodes before and after. */
  readonly nodes: { readonly before: number; readonly after: number };
}

/**
 * Rewrites a decoder (docs/graph-contract.md says what the result promises).
 * @throws {FastvError} `unsupported-decoder` with the node that was not understood and what was expected;
 *   `malformed-model` for a graph that contradicts itself; `invalid-option` for a K that is out of range
 */
export function rewriteDecoder(
  model: OnnxModel,
  options: RewriteOptions,
): { readonly model: OnnxModel; readonly report: RewriteReport } {
  const strategy = graphStrategy(options.strategy ?? DEFAULT_STRATEGY);
  const mode = options.mode ?? 'drop';
  const decoder = recogniseDecoder(model);
  const stages = options.stages.map(({ layer }) => layer);
  checkStages(decoder, stages, strategy);

  const { cut, emit, rewritten, nodes } = divide(decoder, options, stages, strategy);
  const used = new Set(nodes.flatMap((node) => [...node.input, ...GraphView.captures(node)]));
  const changed = new Set(rewritten.nodes.filter((node, i) => node !== cut.graph.nodes[i]));
  const replaced = rewritten.queries.flatMap((queries) => (queries.of === 'kept' ? queries.replaced : []));
  const moved = new Set([...changed, ...replaced].flatMap(({ output }) => output));
  const graph = create(GraphProtoSchema, {
    ...model.graph,
    node: [...nodes],
    initializer: [...cut.model.graph.initializer, ...emit.initializers.filter(({ name }) => used.has(name))],
    input: [
      ...model.graph.input.map((info) => renameAxes(info, decoder, rewritten.axisSuffix)),
      ...newInputs(strategy, stages),
    ],
    output: [
      ...model.graph.output.map((info) => renameAxes(info, decoder, rewritten.axisSuffix)),
      valueInfo(KEPT_INDICES, DataType.INT64, ['batch_size', 'kept_sequence_length']),
    ],
    // Shapes that were true before the cut: ONNX Runtime plans memory by the names of symbolic axes.
    valueInfo: model.graph.valueInfo.filter(({ name }) => !moved.has(name)),
  });
  const opsetImport = model.opsetImport.some(({ domain }) => domain === MICROSOFT)
    ? model.opsetImport
    : [...model.opsetImport, create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n })];
  const result = Object.assign(create(ModelProtoSchema), { ...model, opsetImport, graph });
  return {
    model: result,
    report: {
      layers: decoder.layers.length,
      stages: stages.map((layer, stage) => {
        const queries = rewritten.queries[stage];
        return {
          layer,
          after: layer === 0 ? EMBEDS : attentionOf(decoder, layer - 1).output,
          queries: queries?.of ?? 'all',
          ...(queries?.of === 'all' ? { queriesReason: queries.reason } : {}),
        };
      }),
      strategy: strategy.name,
      mode,
      nodes: { before: model.graph.node.length, after: nodes.length },
    },
  };
}

/** The graph after its cuts. */
interface Divided {
  /** The decoder as it was cut: the one that was given, but for caches that were taken out of their operators. */
  readonly cut: Decoder;
  readonly emit: Emitter;
  readonly rewritten: Rewritten;
  /** What the outputs need, in topological order. */
  readonly nodes: readonly NodeProto[];
}

/**
 * Cuts or masks at each stage. Where something else still needs the queries of all tokens, computing those of the kept
 * ones as well would only cost; that stage is then cut again without. Where nothing does, the kept tokens' tensors take
 * the names of those that they replace.
 */
function divide(
  decoder: Decoder,
  { mode, quota = 'float64', earlyQueries = true }: RewriteOptions,
  stages: readonly number[],
  strategy: GraphStrategy,
): Divided {
  const early = earlyQueries && mode !== 'mask';
  const reasons = new Map<number, string>();
  for (;;) {
    const moving = early ? stages.filter((k, stage) => k > 0 && !reasons.has(stage)) : [];
    const cut = withCachesOutside(
      decoder,
      moving.map((k) => k - 1),
    );
    const emit = new Emitter(cut.opset, allNames(cut.model.graph));
    const rewritten =
      mode === 'mask'
        ? mask(cut, emit, stages, strategy, quota)
        : drop(cut, emit, stages, strategy, quota, (stage) =>
            earlyQueries ? reasons.get(stage) : 'switched off',
          );
    emit.nodes.push(identity(emit, rewritten.keptIndices));
    const nodes = onlyNeeded([...rewritten.nodes, ...emit.nodes], cut.model);
    const needed = new Set(nodes.flatMap(({ output }) => output));
    const before = reasons.size;
    for (const [stage, queries] of rewritten.queries.entries()) {
      if (queries.of === 'all') {
        // An operator whose cache was taken out for nothing gets it back.
        if (cut !== decoder && moving.includes(stages[stage] ?? 0)) reasons.set(stage, queries.reason);
        continue;
      }
      const still = queries.replaced.find(({ output }) => output.some((name) => needed.has(name)));
      if (still !== undefined) reasons.set(stage, `${label(still)} is needed for all tokens`);
    }
    if (reasons.size > before) continue;
    const copies = rewritten.queries.flatMap((queries) => (queries.of === 'kept' ? [...queries.copies] : []));
    return { cut, emit, rewritten, nodes: renamed(nodes, new Map(copies.map(([old, copy]) => [copy, old]))) };
  }
}

/** Nodes whose tensors have other names. */
function renamed(nodes: readonly NodeProto[], names: ReadonlyMap<string, string>): readonly NodeProto[] {
  if (names.size === 0) return nodes;
  const rename = (name: string): string => names.get(name) ?? name;
  return nodes.map((node) => {
    const tensors = [...node.input, ...node.output, ...GraphView.captures(node)];
    if (!tensors.some((name) => names.has(name))) return node;
    return create(NodeProtoSchema, { ...renameInputs(node, rename), output: node.output.map(rename) });
  });
}

/** The decoder with the caches of some layers outside their operators, where they are inside and can be outside. */
function withCachesOutside(decoder: Decoder, layers: readonly number[]): Decoder {
  const { graph, model, opset } = decoder;
  const emit = new Emitter(opset, allNames(model.graph));
  const replace = new Map<NodeProto, NodeProto>();
  for (const layer of layers) {
    const core = attentionOf(decoder, layer);
    if (core.cacheInside && core.kind.allQueries(core) === undefined && core.kind.cacheOutside !== undefined)
      replace.set(core.node, core.kind.cacheOutside(emit, graph, core));
  }
  return replace.size === 0 ? decoder : recogniseDecoder(editModel(model, { replace, emit }));
}

/** Checks K of every stage. @throws {FastvError} `invalid-option`, or `unsupported-decoder` for a layer without attention */
function checkStages(decoder: Decoder, stages: readonly number[], strategy: GraphStrategy): void {
  const layers = decoder.layers.length;
  const refuse = (message: string, hint: string): FastvError =>
    new FastvError('invalid-option', message, { where: '--layer', hint });
  if (stages.length === 0) throw refuse('no pruning stage is given', 'Give one, for example K = 2.');
  for (const [i, k] of stages.entries()) {
    if (!Number.isInteger(k) || k < 0 || k >= layers) {
      throw refuse(
        `K = ${k} is out of range: the decoder has ${layers} layers`,
        `Choose K from 0 to ${layers - 1}.`,
      );
    }
    if (k <= (stages[i - 1] ?? -1))
      throw refuse('the stages are not in ascending order', 'Give each K once, lowest first.');
    if (k === 0 && strategy.needsLayer) {
      throw refuse(
        `K = 0 leaves the strategy "${strategy.name}" no layer to look at`,
        'Use "external", or K ≥ 1.',
      );
    }
    if (k > 0) attentionOf(decoder, k - 1);
  }
}

function newInputs(strategy: GraphStrategy, stages: readonly number[]): ValueInfoProto[] {
  const tokens = ['batch_size', 'sequence_length'];
  return [
    valueInfo(IMAGE_TOKEN_MASK, DataType.BOOL, tokens),
    valueInfo(PRUNE_RATIO, DataType.FLOAT, [stages.length]),
    ...(strategy.needsScores === true ? [valueInfo(IMAGE_TOKEN_SCORES, DataType.FLOAT, tokens)] : []),
  ];
}

function identity(emit: Emitter, keptIndices: string): NodeProto {
  emit.op('Identity', [keptIndices]);
  const node = emit.nodes.pop();
  if (node === undefined) throw new RangeError('the emitter is empty');
  node.output = [KEPT_INDICES];
  return node;
}

/** Nodes that an output needs, in topological order. */
function onlyNeeded(nodes: readonly NodeProto[], model: OnnxModel): NodeProto[] {
  const producers = new Map(nodes.flatMap((node) => node.output.map((output) => [output, node] as const)));
  const needs = (node: NodeProto): readonly string[] => [...node.input, ...GraphView.captures(node)];
  const needed = new Set<NodeProto>();
  const stack = [...model.graph.output.map(({ name }) => name), KEPT_INDICES];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = producers.get(name);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    for (const input of needs(node)) stack.push(input);
  }
  return topologicalOrder(
    nodes.filter((node) => needed.has(node)),
    needs,
  );
}

/** Gives the lengths of a pruned layer's cache, and of the logits, names of their own; other axes keep theirs. */
function renameAxes(
  info: ValueInfoProto,
  decoder: Decoder,
  suffix: (layer: number) => string,
): ValueInfoProto {
  const layer = decoder.layers.find(({ attention: core }) =>
    [core?.pastKey, core?.pastValue, core?.presentKey, core?.presentValue].includes(info.name),
  );
  const last = decoder.layers.length - 1;
  const added = layer !== undefined ? suffix(layer.index) : info.name === 'logits' ? suffix(last) : '';
  // [batch, KV heads, length, head size], [batch, length, vocabulary]
  const lengthAxis = layer !== undefined ? 2 : 1;
  const type = info.type?.value;
  if (added === '' || type?.case !== 'tensorType') return info;
  const dim = (type.value.shape?.dim ?? []).map((d, axis) =>
    d.value.case === 'dimParam' && axis === lengthAxis
      ? { value: { case: 'dimParam' as const, value: `${d.value.value}${added}` } }
      : { value: d.value },
  );
  return create(ValueInfoProtoSchema, {
    name: info.name,
    docString: info.docString,
    type: { value: { case: 'tensorType', value: { elemType: type.value.elemType, shape: { dim } } } },
  });
}
