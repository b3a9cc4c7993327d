// Caches with room, for whoever keeps them outside of ONNX Runtime and decodes many sequences at once: in a call that says
// how long the caches are, layers read theirs where they lie, and give the new token's key and value only.
//
// An operator that keeps the cache itself gives all of it anew at every token: GroupQueryAttention copies what it was
// given, or writes into it where input and output are one buffer, and ONNX Runtime's binding for Node copies what comes
// out, whichever it was. With eight sequences that took most of the time of a step, and memory that was there for the next.
//
// So each layer's attention becomes an If. One branch is the operator. The other is for one token a row: its scores over
// the cache and over itself, one softmax over both, and the values alike; nothing is put together but the scores.
import { CACHE_LENGTHS } from '../decoder/contract.js';
import { groupQuery } from '../decoder/attention/group-query.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import { headCounts, splitPacked } from '../decoder/attention/heads.js';
import {
  allNames,
  create,
  DataType,
  editModel,
  elementType,
  Emitter,
  firstInput,
  floatAttribute,
  GraphProtoSchema,
  GraphView,
  input,
  intAttribute,
  isOperator,
  MICROSOFT,
  NodeProtoSchema,
  opsetOf,
  valueInfo,
  withFields,
  type GraphProto,
  type NodeProto,
  type OnnxModel,
  type OperatorNode,
  type OpOptions,
  type Pass,
} from '../onnx/index.js';
import { partOfShape } from './substitute.js';

type Node = OperatorNode<'GroupQueryAttention'>;

/** What {@link stepCaches} did. */
export interface StepCaches {
  /** Layers whose caches may have room: all or none. */
  readonly layers: number;
}

const CACHE = /^past_key_values\.(\d+)\.(key|value)$/u;

/**
 * Adds the input `cache_lengths`, int64 [layers], or [0] for a call like any other. In a call with lengths
 * - `past_key_values.i.*` are [rows, heads, room, size], of which the first `cache_lengths[i]` tokens count, of each row as
 *   many as the mask says;
 * - each row brings one token;
 * - `present.i.*` are that token's: [rows, heads, 1, size].
 * @returns the same model where a layer keeps its cache otherwise than in a plain GroupQueryAttention of float32
 */
export function stepCaches(model: OnnxModel): Pass<StepCaches> {
  const same: Pass<StepCaches> = { model, changed: false, report: { layers: 0 } };
  const { graph } = model;
  const caches = graph.input.filter(({ name }) => CACHE.test(name));
  const view = new GraphView(graph);
  const cores = graph.input.flatMap(({ name }) => coreOf(view, name) ?? []);
  if (cores.length === 0 || caches.length !== 2 * cores.length) return same;

  const emit = new Emitter(opsetOf(model), allNames(graph));
  const stepping = emit.op('Greater', [emit.op('Size', [CACHE_LENGTHS]), emit.int(0)]);
  const replace = new Map<NodeProto, NodeProto | readonly NodeProto[]>();
  // an ordinary call says nothing of lengths: what is read of them then is not used
  const layers = Math.max(...cores.map(({ layer }) => layer)) + 1;
  const zeros = emit.op('Expand', [emit.int(0), emit.ints(layers)]);
  const lengths = emit.concat([CACHE_LENGTHS, zeros], 0);
  const constants: Emitter[] = [];
  const inside = (): Emitter => {
    const branch = emit.beside();
    constants.push(branch);
    return branch;
  };
  // layers that see the same tokens share what hides others
  const masks = new Map<string, Masks>();
  for (const core of cores) {
    const node: Node = core.node;
    const key = [
      input(node, 'seqlens_k'),
      input(node, 'attention_bias'),
      intAttribute(node, 'local_window_size', -1),
    ].join();
    const known = masks.get(key) ?? masksOf(emit, inside(), stepping, core);
    masks.set(key, known);
    replace.set(node, choose(emit, inside(), view, stepping, core, known));
  }
  // lengths that are read off a cache are those that are said
  for (const node of graph.node) {
    const name = firstInput(node);
    const layer = CACHE.exec(name)?.[1];
    if (layer === undefined || node.opType !== 'Shape') continue;
    const shape = emit.op('Shape', [name]);
    const length = emit.gather(lengths, emit.ints(Number(layer)), 0);
    const [head, size] = [
      emit.slice(shape, emit.ints(0), emit.ints(2), 0),
      emit.slice(shape, emit.ints(3), emit.ints(4), 0),
    ];
    const said = emit.op('Where', [stepping, emit.concat([head, length, size], 0), shape]);
    const part = partOfShape(emit, node, said);
    replace.set(
      node,
      create(NodeProtoSchema, { opType: 'Identity', name: node.name, input: [part], output: node.output }),
    );
  }
  const edited = editModel(model, {
    replace,
    emit,
    inputs: [...graph.input, valueInfo(CACHE_LENGTHS, DataType.INT64, ['cached_layers'])],
    constants: constants.flatMap(({ initializers }) => initializers),
  });
  return { model: edited, changed: true, report: { layers: cores.length } };
}

/** The attention of the layer whose past keys have this name, if it is one that can do without its own cache. */
function coreOf(view: GraphView, pastKey: string): AttentionCore | undefined {
  const [, layer, of] = CACHE.exec(pastKey) ?? [];
  if (layer === undefined || of !== 'key') return undefined;
  const nodes = view.consumers(pastKey).filter((node) => isOperator(node, 'GroupQueryAttention'));
  const [node] = nodes;
  const pastValue = pastKey.replace(/key$/u, 'value');
  const [, presentKey = '', presentValue = ''] = node?.output ?? [];
  if (node === undefined || nodes.length > 1 || presentKey === '' || presentValue === '') return undefined;
  if (input(node, 'past_key') !== pastKey || input(node, 'past_value') !== pastValue) return undefined;
  const core = groupQuery.find(
    view,
    { layer: Number(layer), pastKey, pastValue, presentKey, presentValue },
    { node, concat: undefined },
  );
  return isPlain(view, core) ? core : undefined;
}

/** Whether a step is nothing but scores, softmax and values: no sinks, no quantised cache, in float32. */
function isPlain(view: GraphView, core: AttentionCore): boolean {
  const node: Node = core.node;
  const float = elementType(view, core.pastKey) === DataType.FLOAT;
  const given = (['head_sink', 'k_scale', 'v_scale'] as const).some((name) => input(node, name) !== '');
  const normed = input(node, 'q_norm_weight') !== '' && core.rotation === 'outside';
  const known = core.heads !== undefined && core.kvHeads !== undefined && core.headSize !== undefined;
  return float && known && !given && !normed && intAttribute(node, 'smooth_softmax', 0) === 0;
}

/** What is added to the scores. */
interface Masks {
  /** Of a cache's places: float32 [rows, 1 or KV heads, 1 or group, room]; of an ordinary call, nothing. */
  readonly cached: string;
  /** Of the new token; undefined where it is nothing. */
  readonly own: string | undefined;
}

function masksOf(emit: Emitter, branch: Emitter, stepping: string, core: AttentionCore): Masks {
  const node: Node = core.node;
  const { heads, kvHeads } = headCounts(core);
  const window = intAttribute(node, 'local_window_size', -1);
  const bias = input(node, 'attention_bias');
  // of a row with its new token, less one: those that came before
  const past = branch.reshape(branch.castToInt64(input(node, 'seqlens_k')), branch.ints(-1, 1, 1, 1));
  const room = branch.dim(core.pastKey, 2);
  const places = branch.range(room);
  const there = branch.op('Less', [places, past]);
  const near =
    window > 0 ? branch.op('Greater', [places, branch.op('Sub', [past, branch.int(window)])]) : undefined;
  const visible = near === undefined ? there : branch.op('And', [there, near]);
  let cached = branch.op('Where', [visible, branch.float(0), branch.float(-Infinity)]);
  const made = [];
  if (bias !== '') {
    // [rows or 1, heads or 1, 1, total] as scores are: by KV heads and groups
    const shape = branch.op('Shape', [bias]);
    const ends = (from: number, to: number): string =>
      branch.slice(shape, branch.ints(from), branch.ints(to), 0);
    const all = branch.op('Expand', [bias, branch.concat([ends(0, 1), branch.ints(heads), ends(2, 4)], 0)]);
    const grouped = branch.reshape(all, branch.ints(0, kvHeads, heads / kvHeads, -1));
    const said = branch.slice(grouped, branch.ints(0), branch.ints(-1), 3);
    const unsaid = branch.op('Sub', [branch.reshape(room, branch.ints(1)), branch.dim1(said, 3)]);
    const [before, after] = [branch.ints(0, 0, 0, 0), branch.concat([branch.ints(0, 0, 0), unsaid], 0)];
    const padded = branch.op('Pad', [said, branch.concat([before, after], 0)]);
    cached = branch.op('Add', [cached, padded]);
    made.push(branch.last(grouped, 3));
  }
  const otherwise = branch.beside();
  const none = otherwise.op('ConstantOfShape', [branch.ints(0)]);
  const same = made.map(() => otherwise.op('Identity', [none]));
  const step = { nodes: branch.nodes, gives: [cached, ...made] };
  const other = { nodes: otherwise.nodes, gives: [none, ...same] };
  const [mask = '', own] = emit.ops('If', [stepping], branches(emit, step, other));
  return { cached: mask, own };
}

/** The attention of a layer as a choice: of one token over a cache with room, or as it was. */
function choose(
  emit: Emitter,
  branch: Emitter,
  view: GraphView,
  stepping: string,
  core: AttentionCore,
  masks: Masks,
): NodeProto[] {
  const given: Node = core.node;
  const { heads, kvHeads } = headCounts(core);
  const size = core.headSize ?? 0;
  // where it rotates inside, by the positions that it would go by
  const positions = core.rotation === 'in-op' ? groupQuery.positions?.(branch, view, core) : undefined;
  const node: Node =
    positions === undefined
      ? given
      : (groupQuery.rotateOutside?.(branch, view, core, given, positions) ?? given);
  const [query, key, value] =
    input(node, 'key') === ''
      ? splitPacked(branch, input(node, 'query'), core)
      : [input(node, 'query'), input(node, 'key'), input(node, 'value')];
  const split = (x: string, group: number): string => branch.reshape(x, branch.ints(0, kvHeads, group, size));
  const [q, k, v] = [split(query, heads / kvHeads), split(key, 1), split(value, 1)];
  const scale = floatAttribute(given, 'scale', 0) || 1 / Math.sqrt(size);
  const softcap = floatAttribute(given, 'softcap', 0);
  const scores = (keys: string): string => {
    const raw = branch.op('FusedMatMul', [q, keys], {
      domain: MICROSOFT,
      attributes: { transB: 1n, alpha: scale },
    });
    if (softcap === 0) return raw;
    const bound = branch.op('Tanh', [branch.op('Div', [raw, branch.float(softcap)])]);
    return branch.op('Mul', [bound, branch.float(softcap)]);
  };
  const cached = branch.op('Add', [scores(core.pastKey), masks.cached]);
  const fresh = masks.own === undefined ? scores(k) : branch.op('Add', [scores(k), masks.own]);
  const all = branch.softmax(branch.concat([cached, fresh], 3));
  const own = branch.last(all, 3);
  const before = branch.slice(all, branch.ints(0), branch.ints(-1), 3);
  const sum = branch.op('Add', [branch.op('MatMul', [before, core.pastValue]), branch.op('Mul', [own, v])]);
  const result = branch.reshape(sum, branch.ints(0, 1, heads * size));

  const names = given.output.map((name) => (name === '' ? '' : emit.fresh(name)));
  const whole = withFields(NodeProtoSchema, given, { output: names });
  // a node of its own, which then takes the names that the operator's results have
  const choice = emit.beside();
  const step = { nodes: branch.nodes, gives: [result, k, v] };
  const other = { nodes: [whole], gives: names.slice(0, 3) };
  choice.ops('If', [stepping], branches(emit, step, other));
  return choice.nodes.map((one) => withFields(NodeProtoSchema, one, { output: given.output.slice(0, 3) }));
}

/** The branches of an If: float32 tensors that nodes give in a step, and in any other call. */
function branches(
  emit: Emitter,
  step: { readonly nodes: readonly NodeProto[]; readonly gives: readonly string[] },
  other: { readonly nodes: readonly NodeProto[]; readonly gives: readonly string[] },
): Pick<OpOptions, 'attributes' | 'outputs'> {
  const graph = ({ nodes, gives }: typeof step): GraphProto =>
    create(GraphProtoSchema, {
      name: emit.fresh('branch'),
      node: [...nodes],
      output: gives.map((name) => valueInfo(name, DataType.FLOAT)),
    });
  return { outputs: step.gives.length, attributes: { then_branch: graph(step), else_branch: graph(other) } };
}
