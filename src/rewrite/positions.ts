// Positions that a graph computes itself. Exports without position_ids count them from the cache's length or from the
// attention mask; after a cut both would count anew, so what they count is found here and gathered instead.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { DataType, elementType, label, MICROSOFT, rankOf, type GraphView } from '../onnx/index.js';
import { POSITION_IDS } from './decoder.js';
import { looksUpFloats, prologueOf } from './dependence.js';

const INTEGERS: readonly (DataType | undefined)[] = [DataType.INT64, DataType.INT32];

/**
 * The integer tensors [batch or 1, sequence] from which rotations are made and that do not come from position_ids: what
 * RotaryEmbedding takes, what rows of a cos/sin table are looked up by, and what is cast to float on its way to Cos.
 * @throws {FastvError} `unsupported-decoder` if there is one that does not have these axes
 */
export function positionRoots(graph: GraphView, activations: ReadonlySet<string>): ReadonlySet<string> {
  const roots = new Set<string>();
  for (const node of graph.nodes) {
    for (const root of rootsOf(graph, node, activations)) {
      if (roots.has(root) || graph.initializers.has(root) || activations.has(root)) continue;
      if (root === POSITION_IDS || takesPositionIds(graph, root, activations)) continue;
      if (rankOf(graph, root) !== 2) {
        throw new FastvError(
          'unsupported-decoder',
          `the positions "${root}" are not known to be [batch, sequence]`,
          {
            where: label(node),
            hint: 'Export the decoder with position_ids as an input.',
          },
        );
      }
      roots.add(root);
    }
  }
  return roots;
}

/** What a tensor is another name of: behind Identity and Concat of one input. */
export function valueSource(graph: GraphView, tensor: string): string {
  let name = tensor;
  for (let node = graph.producer(name); node !== undefined; node = graph.producer(name)) {
    if (node.opType !== 'Identity' && !(node.opType === 'Concat' && node.input.length === 1)) break;
    name = node.input[0] ?? '';
  }
  return name;
}

function rootsOf(graph: GraphView, node: NodeProto, activations: ReadonlySet<string>): string[] {
  switch (node.opType) {
    case 'RotaryEmbedding':
      return [node.input[node.domain === MICROSOFT ? 1 : 3] ?? ''].filter((name) => name !== '');
    case 'Gather':
      return looksUpFloats(graph, node) ? [node.input[1] ?? ''] : [];
    case 'Cos':
    case 'Sin':
      return [...prologueOf(graph, node.input[0] ?? '', (name) => activations.has(name))]
        .filter(
          (cast) => cast.opType === 'Cast' && isFloat(graph, cast) && isInteger(graph, cast.input[0] ?? ''),
        )
        .map((cast) => beforeUnsqueeze(graph, cast.input[0] ?? ''))
        .filter((name) => dependsOnCall(graph, name, activations));
    default:
      return [];
  }
}

/** [batch, sequence] that was given axes to be multiplied with frequencies. */
function beforeUnsqueeze(graph: GraphView, tensor: string): string {
  let name = tensor;
  while ((rankOf(graph, name) ?? 0) > 2 && graph.producer(name)?.opType === 'Unsqueeze') {
    name = graph.producer(name)?.input[0] ?? '';
  }
  return name;
}

function isFloat(graph: GraphView, cast: NodeProto): boolean {
  return !INTEGERS.includes(elementType(graph, cast.output[0] ?? ''));
}

function isInteger(graph: GraphView, tensor: string): boolean {
  return INTEGERS.includes(elementType(graph, tensor));
}

/** Whether a tensor is more than a constant. */
function dependsOnCall(graph: GraphView, tensor: string, activations: ReadonlySet<string>): boolean {
  const inputs = [...prologueOf(graph, tensor, (name) => activations.has(name))].flatMap((n) =>
    graph.inputsOf(n),
  );
  return [tensor, ...inputs].some((name) => graph.inputs.has(name) || activations.has(name));
}

function takesPositionIds(graph: GraphView, tensor: string, activations: ReadonlySet<string>): boolean {
  for (const node of prologueOf(graph, tensor, (name) => activations.has(name))) {
    if (graph.inputsOf(node).includes(POSITION_IDS)) return true;
  }
  return false;
}
