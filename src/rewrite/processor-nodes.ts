// Which nodes of a rewritten decoder are to run on the processor, wherever the rest runs.
import { ON_PROCESSOR, subgraphs, type GraphProto } from '../onnx/index.js';

/**
 * Names of the nodes, in branches and bodies too, that rank tokens and pick them one after another. On WebGPU each turn of a
 * loop would otherwise wait for the GPU several times: give them to the session, as the plug does.
 * @returns none for a model that is not rewritten
 * @example
 * const forceCpuNodeNames = processorNodes(model);
 * const executionProviders = [{ name: 'webgpu', ...(forceCpuNodeNames.length > 0 && { forceCpuNodeNames }) }];
 * await InferenceSession.create('decoder.onnx', { executionProviders });
 */
export function processorNodes({ graph }: { readonly graph: GraphProto }): string[] {
  const names: string[] = [];
  const visit = ({ node: nodes }: GraphProto): void => {
    for (const node of nodes) {
      if (node.name.startsWith(ON_PROCESSOR)) names.push(node.name);
      subgraphs(node).forEach(visit);
    }
  };
  visit(graph);
  return names;
}
