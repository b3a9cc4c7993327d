// Layers that are not attention: a gated short convolution (LFM2) and a gated linear recurrence. Both carry a
// state of fixed size from call to call.

import { GraphBuilder } from './builder.js';
import { convKernel } from './config.js';
import { emitLinear } from './linear.js';
import type { LayerContext } from './rotary.js';
import type { ConvWeights, RecurrenceWeights } from './weights.js';

/** State: the last `convKernel` gated inputs, past_conv.i → present_conv.i [batch, hidden, convKernel]. */
export function emitConv({ b, config, layer }: LayerContext, x: string, weights: ConvWeights): string {
  const { hidden } = config;
  const parts = [`/layers.${layer}/conv/b`, `/layers.${layer}/conv/c`, `/layers.${layer}/conv/x`] as const;
  b.node(
    'Split',
    [emitLinear(b, x, weights.input), b.ints(hidden, hidden, hidden)],
    { axis: { int: 2 } },
    { outputs: parts },
  );
  const gated = b.transpose(b.node('Mul', [parts[0], parts[2]]), 0, 2, 1);
  const joined = b.node('Concat', [`past_conv.${layer}`, gated], { axis: { int: 2 } });
  const kernel = b.weight(`layers.${layer}.conv.weight`, [hidden, 1, convKernel], weights.kernel);
  const all = b.node('Conv', [joined, kernel], {
    group: { int: hidden },
    kernel_shape: { ints: [convKernel] },
    pads: { ints: [0, 0] },
    strides: { ints: [1] },
    dilations: { ints: [1] },
  });
  const end = 2147483647;
  const mixed = b.node('Slice', [all, b.ints(1), b.ints(end), b.ints(2)]);
  b.node(
    'Slice',
    [joined, b.ints(-convKernel), b.ints(end), b.ints(2)],
    {},
    { outputs: [`present_conv.${layer}`] },
  );
  return emitLinear(b, b.node('Mul', [parts[1], b.transpose(mixed, 0, 2, 1)]), weights.output);
}

/** State: the hidden vector after the last token, past_recurrent.i → present_recurrent.i [batch, hidden]. */
export function emitRecurrence({ b, layer }: LayerContext, x: string, weights: RecurrenceWeights): string {
  const input = emitLinear(b, x, weights.input);
  const decay = b.node('Sigmoid', [emitLinear(b, x, weights.decay)]);
  const rest = b.node('Sub', [b.float(1), decay]);
  const added = b.node('Mul', [rest, input]);
  const states = `/layers.${layer}/recurrence/states`;
  b.node(
    'Scan',
    [`past_recurrent.${layer}`, decay, added],
    {
      num_scan_inputs: { int: 2 },
      scan_input_axes: { ints: [1, 1] },
      scan_output_axes: { ints: [1] },
      body: { graph: recurrenceStep(b) },
    },
    { outputs: [`present_recurrent.${layer}`, states] },
  );
  return emitLinear(b, states, weights.output);
}

/** h ← a·h + u for one token. */
function recurrenceStep(outer: GraphBuilder): ReturnType<GraphBuilder['toGraph']> {
  const b = new GraphBuilder(outer.opset, outer.dtype);
  b.scope('step');
  b.input('h_in', b.dtype, ['batch', 'hidden']);
  b.input('a', b.dtype, ['batch', 'hidden']);
  b.input('u', b.dtype, ['batch', 'hidden']);
  const next = b.node('Mul', ['a', 'h_in']);
  b.node('Add', [next, 'u'], {}, { outputs: ['h_out'] });
  b.node('Identity', ['h_out'], {}, { outputs: ['y'] });
  b.output('h_out', b.dtype, ['batch', 'hidden']);
  b.output('y', b.dtype, ['batch', 'hidden']);
  return b.toGraph('recurrence_step');
}
