// KV caches that slide: torch exports with transformers' `DynamicCache(config=…)` keep the last window − 1 tokens of
// layers with a sliding window (Gemma 2, 3 and 3n, Mistral, Exaone 4), by a Slice behind the past and one in front of the
// present. The window is in the attention mask besides, so the Slices only save memory; but they count tokens from the
// cache's end, and once a layer's tokens are fewer, masks, lengths and caches of layers no longer agree.
//
// So they are taken away: the caches grow, as `DynamicCache()` makes them, and the mask alone keeps the window. Torch's
// new exporter also counts what the Slices drop, Max(0, length − (window − 1)): that is nothing then.
import {
  editModel,
  firstInput,
  input,
  inSet,
  isOperator,
  NodeProtoSchema,
  withFields,
  type GraphView,
  type NodeProto,
  type OnnxModel,
  type Pass,
} from '../../onnx/index.js';
import { isOtherName } from './operator.js';

/** What {@link wholeCaches} did. */
export interface WholeCaches {
  /** The caches, past and present, that keep every token now. */
  readonly caches: readonly string[];
}

/**
 * A decoder whose sliding caches keep every token; the same model where none slides, or where no mask keeps the window.
 * @param graph that of the model
 */
export function wholeCaches(model: OnnxModel, graph: GraphView): Pass<WholeCaches> {
  const crops = graph.nodes.flatMap((node) => {
    const size = croppedTo(graph, node);
    const cache = size === undefined ? undefined : cacheOf(graph, node);
    return size === undefined || cache === undefined ? [] : [{ node, size, cache }];
  });
  const windows = new Set(crops.map(({ size }) => size).filter((size) => maskKeeps(graph, size)));
  const whole = crops.filter(({ size }) => windows.has(size));
  if (whole.length === 0) return { model, changed: false, report: { caches: [] } };
  const replace = new Map<NodeProto, NodeProto>();
  for (const { node } of whole) {
    replace.set(
      node,
      withFields(NodeProtoSchema, node, { opType: 'Identity', input: node.input.slice(0, 1), attribute: [] }),
    );
  }
  for (const node of graph.nodes) {
    // Mul, not a constant: whatever shape the number has, it keeps
    if ([...windows].some((size) => countsDropped(graph, node, size)))
      replace.set(node, withFields(NodeProtoSchema, node, { opType: 'Mul' }));
  }
  return {
    model: editModel(model, { replace }),
    changed: true,
    report: { caches: whole.map(({ cache }) => cache) },
  };
}

/** How many of a cache's last tokens a Slice keeps, as a sliding cache has it; undefined if it does not. */
export function croppedTo(graph: GraphView, node: NodeProto): number | undefined {
  if (!isOperator(node, 'Slice')) return undefined;
  const value = (name: 'starts' | 'ends' | 'axes' | 'steps'): number | undefined => {
    const values = graph.constantInts(input(node, name));
    return values?.length === 1 ? values[0] : undefined;
  };
  const [start, end, axis, step] = [value('starts'), value('ends'), value('axes'), value('steps')];
  const toTheEnd = end !== undefined && end >= 2 ** 31 - 1 && (input(node, 'steps') === '' || step === 1);
  return start !== undefined && start < 0 && toTheEnd && (axis === 2 || axis === -2) ? -start : undefined;
}

/** The past that a Slice takes, or the present that it gives, whatever name or type they have between. */
function cacheOf(graph: GraphView, node: NodeProto): string | undefined {
  const renames = (other: NodeProto): boolean => other.opType === 'Cast' || isOtherName(other);
  const from = graph.upstream(firstInput(node), renames);
  if (graph.inputs.has(from) && from.startsWith('past')) return from;
  const presentOf = ({ output: [name = ''] }: NodeProto): boolean =>
    graph.outputs.has(name) && name.startsWith('present');
  const renamed = (other: NodeProto): boolean => presentOf(other) && renames(other);
  return (presentOf(node) ? node : graph.downstream(node, renamed, renames))?.output[0];
}

/**
 * Whether a mask compares places that are a window apart, so that it hides what the Slices drop; and whether nothing but
 * {@link countsDropped} counts with what is kept.
 */
function maskKeeps(graph: GraphView, size: number): boolean {
  const window = size + 1;
  const compares = ({ opType }: NodeProto): boolean => COMPARISONS.has(opType);
  const hides = graph.nodes.some(
    (node) =>
      (compares(node) && node.input.some((name) => is(graph, name, window) || is(graph, name, -window))) ||
      (shifts(graph, node, window) && graph.downstream(node, compares, inSet(RENAMES)) !== undefined),
  );
  const counts = graph.nodes.some(
    ({ opType, input: taken }) => COUNTS.has(opType) && taken.some((name) => is(graph, name, size)),
  );
  return hides && !counts;
}

const COMPARISONS = new Set('Greater GreaterOrEqual Less LessOrEqual'.split(' '));
const RENAMES = new Set('Cast Unsqueeze Identity'.split(' '));
const COUNTS = new Set('Min Clip'.split(' '));

/** Whether a node gives how many tokens of a length are beyond what is kept: Max(0, length − size). */
function countsDropped(graph: GraphView, node: NodeProto, size: number): boolean {
  if (node.opType !== 'Max') return false;
  const others = node.input.filter((name) => !is(graph, name, 0));
  const [beyond, ...more] = others.map((name) => graph.producer(name));
  return (
    beyond !== undefined &&
    more.length === 0 &&
    others.length < node.input.length &&
    shifts(graph, beyond, size)
  );
}

/** Whether a node takes a number away from what is no constant. */
function shifts(graph: GraphView, { opType, input: taken }: NodeProto, by: number): boolean {
  if (opType === 'Sub') return is(graph, taken.at(-1) ?? '', by);
  return opType === 'Add' && taken.some((name) => is(graph, name, -by));
}

function is(graph: GraphView, tensor: string, value: number): boolean {
  const values = tensor === '' ? undefined : graph.constantInts(tensor);
  return values?.length === 1 && values[0] === value;
}
