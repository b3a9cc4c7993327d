// Who sees whom where images see themselves (Gemma 3): a token sees what came before it, within its layer's window, and
// the tokens of one image see each other both ways.
import { DataType } from '../../../onnx/tensor.js';
import type { PartGraph } from '../../part.js';

/** A score that loses every softmax, in every float type. */
export const LOST = -65504;

/**
 * Declares token_type_ids and gives the mask of each layer, [batch, 1, sequence, total]: 0, or {@link LOST}.
 * @param windowOf how many tokens a layer sees; all where it says nothing
 */
export function blockMask(
  g: PartGraph,
  windowOf: (layer: number) => number | undefined,
): (layer: number) => string {
  const { emit } = g;
  const op = (name: string, ...inputs: string[]): string => emit.op(name, inputs);
  const types = g.input('token_type_ids', DataType.INT64, ['batch_size', 'sequence_length']);
  const [batch, sequence] = [emit.dim1('inputs_embeds', 0), emit.dim1('inputs_embeds', 1)];
  const past = emit.dim('past_key_values.0.key', 2);
  const total = op('Add', past, emit.dim('inputs_embeds', 1));

  // images are runs of image tokens, counted from 1
  const image = op('Equal', types, emit.int(1));
  const before = emit.slice(image, emit.ints(0), emit.ints(-1), 1);
  const none = emit.cast(op('Expand', emit.int(0), emit.concat([batch, emit.ints(1)], 0)), DataType.BOOL);
  const begins = op('And', image, op('Not', emit.concat([none, before], 1)));
  const number = op('CumSum', emit.cast(begins, DataType.INT64), emit.int(1));
  const own = op('Where', image, number, emit.int(0)); // [batch, sequence]
  const same = op(
    'And',
    op('Equal', emit.unsqueeze(own, 2), emit.unsqueeze(own, 1)),
    emit.unsqueeze(image, 2),
  );
  const earlier = emit.concat([batch, sequence, emit.dim1('past_key_values.0.key', 2)], 0);
  const notInPast = emit.cast(op('Expand', emit.int(0), earlier), DataType.BOOL);
  const together = emit.unsqueeze(emit.concat([notInPast, same], 2), 1); // [batch, 1, sequence, total]

  const queries = emit.unsqueeze(op('Add', emit.range(emit.dim('inputs_embeds', 1)), past), 1);
  const keys = emit.unsqueeze(emit.range(total), 0);
  const causal = op('LessOrEqual', keys, queries);
  const padding = emit.unsqueeze(emit.cast('attention_mask', DataType.BOOL), 1, 2);
  return (layer) => {
    const window = windowOf(layer);
    const near =
      window === undefined
        ? causal
        : op('And', causal, op('Less', op('Sub', queries, keys), emit.int(window)));
    const seen = op('And', op('Or', emit.unsqueeze(near, 0, 1), together), padding);
    return op('Where', seen, g.scalar(0), g.scalar(LOST));
  };
}
