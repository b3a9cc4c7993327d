// SIEVE, in short: a token is worth its attention times the share of its value vector that the text does not explain, and
// less with each pick that leaves the same unexplained. The authors take the residual of a ridge regression on the text's
// hidden states; here it is what Gram–Schmidt leaves over after the last text tokens, which needs no inverse.
import type { Emitter } from '../onnx/index.js';
import { loop } from './loop.js';
import { lengths, unitRows } from './features.js';
import { greedy } from './greedy.js';
import type { GraphStrategy, StageContext } from './strategy.js';
import { lastText, valueFeatures } from './text-rows.js';

/** A text vector of which less than this share is new is none: rounding is left of it. */
const NEW = 1e-3;

export const sieveLite = {
  where: 'graph',
  name: 'sieve-lite',
  description: 'attention times what the text leaves unexplained of a value, each only once (after SIEVE)',
  needsLayer: true,
  score: (context) => {
    const { emit } = context;
    const values = valueFeatures(context);
    const rest = emit.onProcessor(() => unexplained(context, values));
    return greedy(context, {
      relevance: emit.op('Mul', [context.lastRowAttention(), lengths(emit, rest, 2)]),
      features: unitRows(emit, rest),
      start: ({ emit: e, open }) => [e.op('Expand', [e.float(0), e.op('Shape', [open])])],
      // In logarithms: a product over many picks would come to 0, and the order to that of places.
      gain: ({ emit: e, pool, state: [left = ''] }) =>
        e.op('Add', [e.op('Mul', [logOf(e, pool.relevance, 1e-30), e.float(2)]), left]),
      next: ({ emit: e, state: [left = ''], cosines }) => {
        const cosine = cosines();
        const unlike = e.op('Sub', [e.float(1), e.op('Mul', [cosine, cosine])]);
        return [e.op('Add', [left, logOf(e, unlike, 1e-6)])];
      },
    });
  },
} as const satisfies GraphStrategy;

function logOf(emit: Emitter, x: string, least: number): string {
  return emit.op('Log', [emit.op('Max', [x, emit.float(least)])]);
}

/** What is left of each vector of length 1 without its parts along those of the last text: float32 [batch, sequence, size]. */
function unexplained(context: StageContext, values: string): string {
  const { emit } = context;
  const { places, filled } = lastText(context);
  const shape = emit.concat([emit.dim1(values, 0), emit.ints(1), emit.dim1(values, 2)], 0);
  const count = emit.dim(places, 1);
  const [rest = ''] = loop(emit, count, [{ tensor: values, type: 'float32' }], (body, turn, [left = '']) => {
    const one = body.reshape(turn, body.ints(1));
    const place = body.op('Expand', [body.unsqueeze(body.gather(places, one, 1), 2), shape]);
    const row = body.op('GatherElements', [left, place], { attributes: { axis: 1n } }); // [batch, 1, size]
    const length = lengths(body, row, 2, true);
    const isText = body.unsqueeze(body.gather(filled, one, 1), 2);
    const taken = body.op('And', [isText, body.op('Greater', [length, body.float(NEW)])]);
    const direction = body.op('Where', [
      taken,
      body.op('Div', [row, body.op('Max', [length, body.float(1e-30)])]),
      body.float(0),
    ]);
    const along = body.op('MatMul', [left, body.transpose(direction, 0, 2, 1)]); // [batch, sequence, 1]
    return [body.op('Sub', [left, body.op('Mul', [along, direction])])];
  });
  return rest;
}
