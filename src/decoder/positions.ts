// Positions that a graph computes itself. Exports without position_ids count them from the cache's length or from the
// attention mask; after a cut both would count anew, so what they count is found here and gathered instead.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { DataType, elementType, label, MICROSOFT, rankOf, type GraphView } from '../onnx/index.js';
import { POSITION_IDS } from './contract.js';
import { looksUpFloats, prologueOf, prologueTensors } from './dependence.js';

const INTEGERS: readonly (DataType | undefined)[] = [DataType.INT64, DataType.INT32];

/**
 * The integer tensors [batch or 1, sequence] from which rotations are made and that do not come from position_ids: what
 * RotaryEmbedding takes, what rows of a cos/sin table are looked up by, and what is cast to float on its way to Cos.
 * @throws {FastvError} `unsupported-decoder` if there is one that does not have these axes
 */
export function positionRoots(graph: GraphView, activations: ReadonlySet<string>): ReadonlySet<string> {
  const roots = new Set<string>();
  const fromPositionIds = prologueTensors(graph, activations, (node) => takes(graph, node, POSITION_IDS));
  // What is more than a constant.
  const fromCall = prologueTensors(graph, activations, (node) =>
    graph.inputsOf(node).some((name) => graph.inputs.has(name) || activations.has(name)),
  );
  const casts = castsToAngles(graph, activations);
  for (const node of graph.nodes) {
    for (const root of rootsOf(graph, node, casts)) {
      if (roots.has(root) || graph.initializers.has(root) || activations.has(root)) continue;
      if (root === POSITION_IDS || fromPositionIds.has(root)) continue;
      if (node.opType === 'Cast' && !graph.inputs.has(root) && !fromCall.has(root)) continue;
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

/** The prologue's casts from integers to floats on their way to Cos or Sin. */
function castsToAngles(graph: GraphView, activations: ReadonlySet<string>): ReadonlySet<NodeProto> {
  const angles = graph.nodes
    .filter(({ opType }) => opType === 'Cos' || opType === 'Sin')
    .map((node) => node.input[0] ?? '');
  const nodes = [...prologueOf(graph, angles, (name) => activations.has(name))];
  return new Set(
    nodes.filter(
      (node) =>
        node.opType === 'Cast' &&
        isInteger(graph, node.input[0] ?? '') &&
        !isInteger(graph, node.output[0] ?? ''),
    ),
  );
}

function rootsOf(graph: GraphView, node: NodeProto, casts: ReadonlySet<NodeProto>): string[] {
  switch (node.opType) {
    case 'RotaryEmbedding':
      return [node.input[node.domain === MICROSOFT ? 1 : 3] ?? ''].filter((name) => name !== '');
    case 'Gather':
      return looksUpFloats(graph, node) ? [node.input[1] ?? ''] : [];
    case 'Cast':
      return casts.has(node) ? [beforeUnsqueeze(graph, node.input[0] ?? '')] : [];
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

function isInteger(graph: GraphView, tensor: string): boolean {
  return INTEGERS.includes(elementType(graph, tensor));
}

function takes(graph: GraphView, node: NodeProto, tensor: string): boolean {
  return graph.inputsOf(node).includes(tensor);
}
