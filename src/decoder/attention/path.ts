// A path through a graph: from a node to others, each the nearest of its kind. Where the path breaks off, the refusal
// says how far it came and what stands in the way.
import { label, type GraphView, type NodeProto } from '../../onnx/index.js';
import type { CacheNames } from './core.js';
import { refuse } from './operator.js';

/** A step of a path. */
export interface Step {
  /** The types of node that it leads to. */
  readonly to: ReadonlySet<string>;
  /** The types of node that may lie between. */
  readonly through: ReadonlySet<string>;
  /** What is wrong if there is none, said of the node that the path had reached. */
  readonly missing: string;
}

/**
 * Follows a path.
 * @returns the node of each step
 * @throws {FastvError} `unsupported-decoder`, with how far it came
 */
export function followPath(
  graph: GraphView,
  cache: CacheNames,
  from: NodeProto,
  steps: readonly Step[],
): NodeProto[] {
  let at = from;
  return steps.map(({ to, through, missing }) => {
    const stops = new Set<NodeProto>();
    const passes = (node: NodeProto): boolean => {
      if (!through.has(node.opType)) stops.add(node);
      return through.has(node.opType);
    };
    const next = graph.downstream(at, ({ opType }) => to.has(opType), passes);
    if (next === undefined) {
      const end = stops.size === 0 ? 'nothing' : [...stops].slice(0, 3).map(label).join(', ');
      throw refuse(cache, `${missing.replace('%', label(at))}: behind it comes ${end}`);
    }
    at = next;
    return next;
  });
}
