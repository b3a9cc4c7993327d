// The residual stream: the hidden state [batch, sequence, hidden] that goes into a layer, to which its attention is added.
//
// It is the other input of the first addition behind the attention's result that the attention itself was computed from;
// a bias of the projection or a parallel MLP is added as well, but no query is made of those.
import type { NodeProto } from '../onnx/index.js';
import { FastvError } from '../errors.js';
import { RESIDUAL } from './axis-rules.js';
import { attentionOf, type Decoder } from './decoder.js';

/**
 * The hidden state that goes into a layer: the name of a tensor [batch, sequence, hidden].
 * @throws {FastvError} `unsupported-decoder` for a layer without attention, or one whose residual connection is not found
 */
export function residualBefore(decoder: Decoder, layer: number): string {
  const { graph } = decoder;
  const core = attentionOf(decoder, layer);
  const before = graph.ancestors([core.rowSource]);
  const isInput = (tensor: string): boolean => {
    const node = graph.producer(tensor);
    return node === undefined ? graph.inputs.has(tensor) : before.has(node);
  };
  const addedTo = (node: NodeProto): string | undefined =>
    RESIDUAL.has(node.opType) ? node.input.slice(0, 2).find(isInput) : undefined;
  const cut = graph.producer(core.output);
  const addition =
    cut === undefined
      ? undefined
      : graph.downstream(
          cut,
          (node) => addedTo(node) !== undefined,
          (node) => !before.has(node),
        );
  const found = addition === undefined ? undefined : addedTo(addition);
  if (found !== undefined) return found;
  throw new FastvError('unsupported-decoder', `no residual connection is found around layer ${layer}`, {
    where: `layer ${layer}`,
    hint: 'Choose a strategy that does not look at hidden states, or another K.',
  });
}
