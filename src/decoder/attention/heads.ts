// Heads of an attention operator, and packed q, k, v taken apart.
import { FastvError } from '../../errors.js';
import { label, type Emitter } from '../../onnx/index.js';
import type { AttentionCore } from './core.js';

/** Query and KV heads of an operator. @throws {FastvError} `unsupported-decoder` if the graph does not tell */
export function headCounts(core: AttentionCore): { heads: number; kvHeads: number } {
  const { heads, kvHeads } = core;
  if (heads === undefined || kvHeads === undefined || !(kvHeads > 0) || heads % kvHeads !== 0) {
    throw new FastvError('unsupported-decoder', `${label(core.node)} does not say how many heads it has`, {
      where: `layer ${core.layer}`,
    });
  }
  return { heads, kvHeads };
}

/** Splits packed [batch, sequence, (heads + 2 · KV heads) · head size] into q, k and v. */
export function splitPacked(emit: Emitter, packed: string, core: AttentionCore): [string, string, string] {
  const { heads, kvHeads } = headCounts(core);
  const sizes =
    core.headSize === undefined
      ? emit.op('Mul', [emit.dim1(core.pastKey, 3), emit.ints(heads, kvHeads, kvHeads)])
      : emit.ints(heads * core.headSize, kvHeads * core.headSize, kvHeads * core.headSize);
  const [q = '', k = '', v = ''] = emit.ops('Split', [packed, sizes], {
    outputs: 3,
    attributes: { axis: -1n },
  });
  return [q, k, v];
}
