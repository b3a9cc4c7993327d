// LLaVA-1.5's connector (arXiv 2310.03744): two linear layers with an activation between.
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { linearOf, type Activation } from '../blocks.js';

/** [.., inputs] to [.., outputs]. */
export function mlp(
  g: PartGraph,
  x: string,
  w: Scope,
  {
    inputs,
    outputs,
    bias,
    activation,
  }: {
    readonly inputs: number;
    readonly outputs: number;
    readonly bias: boolean;
    readonly activation: Activation;
  },
): string {
  const inner = activation(g, g.linear(x, linearOf(w, 'linear_1', [outputs, inputs], bias)));
  return g.linear(inner, linearOf(w, 'linear_2', [outputs, outputs], bias));
}
