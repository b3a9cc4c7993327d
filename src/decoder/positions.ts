// Positions that a graph computes itself. Exports without position_ids count them from the cache's length or from the
// attention mask; after a cut both would count anew, so what they count is found here and gathered instead.
//
// Not every index into a rotary table is a position. Exports of mRoPE make cos and sin for every token of the call, and
// number its rows: Range(0, batch · sequence). Such numbers follow the tokens by themselves, as their table does.
import { FastvError } from '../errors.js';
import {
  DataType,
  elementType,
  firstInput,
  input,
  inSet,
  isOperator,
  label,
  rankOf,
  type GraphView,
  type NodeProto,
} from '../onnx/index.js';
import { once } from '../once.js';
import { EMBEDS, POSITION_IDS } from './contract.js';
import {
  dependents,
  isFloat,
  looksUpFloats,
  numbersFrom,
  prologueOf,
  prologueTensors,
  SHAPE_ONLY,
} from './dependence.js';

const FLOATS: readonly number[] = [DataType.FLOAT, DataType.FLOAT16, DataType.BFLOAT16, DataType.DOUBLE];
const INTEGERS: readonly (DataType | undefined)[] = [DataType.INT64, DataType.INT32];

/** Ops that pass integers on as they are. */
const PASSING = new Set(['Identity', 'Cast', 'Reshape', 'Unsqueeze', 'Squeeze', 'Expand']);

/** Ops that give their only input another name or type. */
const SAME_VALUE = new Set(['Identity', 'Cast', 'Concat']);

/** What a rotation is made from. */
interface Root {
  /** Integers: positions, or numbers of a table's rows. */
  readonly index: string;
  /** The tables that they are an index into; none where cos and sin are computed from them. */
  readonly tables: readonly string[];
}

/**
 * The integer tensors [batch or 1, sequence] from which rotations are made and that do not come from position_ids: what
 * RotaryEmbedding takes, what rows of a cos/sin table are looked up by, and what is cast to float on its way to Cos.
 * Not among them are the row numbers of a table that the call makes for its own tokens.
 * @throws {FastvError} `unsupported-decoder` if there is one that does not have these axes
 */
export function positionRoots(graph: GraphView, activations: ReadonlySet<string>): ReadonlySet<string> {
  refuseDistances(graph, activations);
  const roots = new Set<string>();
  const fromPositionIds = once(() => dependents(graph, positionIds(graph)).tensors);
  // What is more than a constant.
  const fromCall = once(() =>
    prologueTensors(graph, activations, (node) =>
      graph.inputsOf(node).some((name) => graph.inputs.has(name) || activations.has(name)),
    ),
  );
  const casts = castsToAngles(graph, activations);
  const perCall: { readonly node: NodeProto; readonly table: string }[] = [];
  for (const node of graph.nodes) {
    for (const { index, tables } of rootsOf(graph, node, casts)) {
      if (roots.has(index) || graph.initializers.has(index) || activations.has(index)) continue;
      if (fromPositionIds().has(index)) continue;
      if (node.opType === 'Cast' && !graph.inputs.has(index) && !fromCall().has(index)) continue;
      const computed = tables.filter((table) => fromCall().has(table));
      if (computed.length > 0 && numbersTokens(graph, index, activations)) {
        perCall.push(...computed.map((table) => ({ node, table })));
        continue;
      }
      if (rankOf(graph, index) !== 2) {
        throw new FastvError(
          'unsupported-decoder',
          `the positions "${index}" are not known to be [batch, sequence]`,
          {
            where: label(node),
            hint: 'Export the decoder with position_ids as an input.',
          },
        );
      }
      roots.add(index);
    }
  }
  const known = once(() => dependents(graph, [...positionIds(graph), ...roots]).tensors);
  for (const { node, table } of perCall) {
    if (known().has(table)) continue;
    throw new FastvError(
      'unsupported-decoder',
      `the rotary table "${table}" has a row for each token, but is not made from their positions`,
      {
        where: label(node),
        hint: 'Expected a table that is computed from position_ids.',
      },
    );
  }
  return roots;
}

/**
 * Refuses attention that adds a number to each score that grows with the distance (ALiBi). It counts places in the
 * cache, and where the tokens of a pruned cache stood is not kept anywhere.
 * @throws {FastvError} `unsupported-decoder`
 */
function refuseDistances(graph: GraphView, activations: ReadonlySet<string>): void {
  const fromCall = once(() => dependents(graph, graph.inputs.keys()).tensors);
  const cuts = graph.nodes.map((node) => [node, cutByLength(graph, node, fromCall)] as const);
  const starts = cuts.filter(
    ([{ opType }, along]) => opType === 'CumSum' || opType === 'Range' || along !== undefined,
  );
  if (starts.length === 0) return;
  const numbers = (wanted: (along: 'keys' | 'rows' | undefined) => boolean): ReadonlySet<string> => {
    const nodes = new Set(starts.filter(([, along]) => wanted(along)).map(([node]) => node));
    return numbersFrom(graph, (node) => nodes.has(node));
  };
  const counted = numbers((along) => along !== 'rows');
  // rows that are added are learned positions, added to the embeddings before any cut; rows that multiply rotate
  const rows = numbers((along) => along === 'rows');
  for (const node of graph.nodes) {
    if (!node.output.some((name) => activations.has(name))) continue;
    const given = (among: ReadonlySet<string>): string | undefined =>
      graph.inputsOf(node).find((name) => among.has(name) && !activations.has(name) && isFloat(graph, name));
    const distance = given(counted);
    const row = node.opType === 'Mul' ? given(rows) : undefined;
    if (distance === undefined && row === undefined) continue;
    const what =
      distance === undefined
        ? `rotates by rows of a table that are counted from the cache, "${row ?? ''}"`
        : `takes distances between tokens, "${distance}", as ALiBi does`;
    throw new FastvError('unsupported-decoder', `${label(node)} ${what}`, {
      where: label(node),
      hint: 'Supported are rotary positions, and positions that are added to the embeddings.',
    });
  }
}

/**
 * How a node cuts a piece out of a constant of floats by the sequence's length, if it does: along the last axis, as
 * distances that stand in the file (MPT), or rows of it. Squares are masks, which compare places.
 */
function cutByLength(
  graph: GraphView,
  node: NodeProto,
  fromCall: () => ReadonlySet<string>,
): 'keys' | 'rows' | undefined {
  if (!isOperator(node, 'Slice')) return undefined;
  const renamed = ({ opType }: NodeProto): boolean =>
    ['Identity', 'Cast', 'Slice', 'Unsqueeze'].includes(opType);
  const table = graph.initializers.get(graph.upstream(input(node, 'data'), renamed));
  if (table === undefined || !FLOATS.includes(table.dataType)) return undefined;
  const axes = table.dims.length;
  if (axes > 1 && table.dims.at(-1) === table.dims.at(-2)) return undefined;
  const bounds = [input(node, 'starts'), input(node, 'ends')];
  if (!bounds.some((bound) => lengthDependent(graph, bound, fromCall()))) return undefined;
  const axis = graph.constantInts(input(node, 'axes'))?.[0];
  return axis === -1 || axis === axes - 1 ? 'keys' : 'rows';
}

/** Whether a tensor is made of the call's inputs or of their shapes. */
function lengthDependent(graph: GraphView, tensor: string, fromCall: ReadonlySet<string>): boolean {
  return (
    fromCall.has(tensor) ||
    [...graph.ancestors([tensor])].some(
      ({ opType, input: [of = ''] }) => SHAPE_ONLY.has(opType) && fromCall.has(of),
    )
  );
}

/** The input position_ids, where there is one: a tensor of the graph's own may have that name. */
function positionIds(graph: GraphView): string[] {
  return graph.inputs.has(POSITION_IDS) ? [POSITION_IDS] : [];
}

/** What a tensor is another name of, or a cast of: behind Identity, Cast and Concat of one input. */
export function valueSource(graph: GraphView, tensor: string): string {
  return graph.upstream(tensor, (node) => SAME_VALUE.has(node.opType) && node.input.length === 1);
}

/** The prologue's casts from integers to floats on their way to Cos or Sin. */
function castsToAngles(graph: GraphView, activations: ReadonlySet<string>): ReadonlySet<NodeProto> {
  const angles = graph.nodes.filter(({ opType }) => opType === 'Cos' || opType === 'Sin').map(firstInput);
  const nodes = [...prologueOf(graph, angles, (name) => activations.has(name))];
  return new Set(
    nodes.filter(
      (node) =>
        node.opType === 'Cast' &&
        isInteger(graph, firstInput(node)) &&
        !isInteger(graph, node.output[0] ?? ''),
    ),
  );
}

function rootsOf(graph: GraphView, node: NodeProto, casts: ReadonlySet<NodeProto>): Root[] {
  if (isOperator(node, 'RotaryEmbedding') || isOperator(node, 'com.microsoft.RotaryEmbedding')) {
    const index = input(node, 'position_ids');
    return index === '' ? [] : [{ index, tables: [input(node, 'cos_cache'), input(node, 'sin_cache')] }];
  }
  if (looksUpFloats(graph, node)) return [{ index: input(node, 'indices'), tables: [input(node, 'data')] }];
  return casts.has(node) ? [{ index: beforeUnsqueeze(graph, firstInput(node)), tables: [] }] : [];
}

/**
 * Whether a tensor numbers the tokens of the call, 0, 1, 2, …: a Range from 0, in whatever shape, up to what the shapes
 * of tensors say that hold this call's tokens.
 */
function numbersTokens(graph: GraphView, tensor: string, activations: ReadonlySet<string>): boolean {
  const range = graph.producer(graph.upstream(tensor, inSet(PASSING)));
  if (range === undefined || !isOperator(range, 'Range')) return false;
  const limit = input(range, 'limit');
  const is = (name: string, value: number): boolean => graph.constantInts(name)?.[0] === value;
  if (!is(input(range, 'start'), 0) || !is(input(range, 'delta'), 1)) return false;
  const perToken = dependents(graph, [EMBEDS, ...positionIds(graph)]).tensors;
  const tokenShape = (node: NodeProto | undefined): boolean =>
    node !== undefined &&
    SHAPE_ONLY.has(node.opType) &&
    (activations.has(firstInput(node)) || perToken.has(firstInput(node)));
  const nodes = [...prologueOf(graph, [limit], (name) => tokenShape(graph.producer(name)))];
  // Whatever else the limit is made of is constant.
  const othersConstant = nodes.every((node) => graph.inputsOf(node).every((name) => !graph.inputs.has(name)));
  return othersConstant && [...graph.ancestors([limit])].some(tokenShape);
}

/** [batch, sequence] that was given axes to be multiplied with frequencies. */
function beforeUnsqueeze(graph: GraphView, tensor: string): string {
  return graph.upstream(
    tensor,
    (node) => node.opType === 'Unsqueeze' && node.output.some((name) => (rankOf(graph, name) ?? 0) > 2),
  );
}

function isInteger(graph: GraphView, tensor: string): boolean {
  return INTEGERS.includes(elementType(graph, tensor));
}
