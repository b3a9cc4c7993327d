// The text of a call: its tokens that are there and are no image tokens.
import { unitRows } from './features.js';
import { MOST_ROWS, type StageContext } from './strategy.js';

/** Which tokens are text: bool [batch, sequence]. */
export function textMask(context: StageContext): string {
  const { emit, imageTokenMask } = context;
  return emit.op('And', [context.attended(), emit.op('Not', [imageTokenMask])]);
}

/** What a token is by its values: their mean over KV heads, rows of length 1; float32 [batch, sequence, head size]. */
export function valueFeatures(context: StageContext): string {
  const { emit } = context;
  return unitRows(emit, emit.reduce('ReduceMean', emit.castToFloat(context.values()), [1], false));
}

/** The last {@link MOST_ROWS} text tokens at most: their places, int64 [batch, rows], and which of these are text. */
export function lastText(context: StageContext): { readonly places: string; readonly filled: string } {
  const { emit } = context;
  const text = textMask(context);
  const places = emit.range(emit.dim(text, 1));
  const ranks = emit.castToFloat(emit.op('Where', [text, places, emit.int(-1)]));
  const count = emit.op('Min', [emit.dim1(text, 1), emit.ints(MOST_ROWS)]);
  const [ranked = '', at = ''] = emit.ops('TopK', [ranks, count], { outputs: 2, attributes: { axis: 1n } });
  return { places: at, filled: emit.op('GreaterOrEqual', [ranked, emit.float(0)]) };
}
