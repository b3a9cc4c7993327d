// Loops: apart from the emitter, as only strategies that pick tokens one after another have them.
import {
  create,
  DataType,
  GraphProtoSchema,
  NodeProtoSchema,
  valueInfo,
  type Emitter,
  type ValueInfoProto,
} from '../onnx/index.js';

/** A tensor that each turn of a {@link loop} takes and gives anew. */
export interface Carried {
  /** What the first turn takes. */
  readonly tensor: string;
  readonly type: keyof typeof CARRIED;
}

const CARRIED = { float32: DataType.FLOAT, int64: DataType.INT64, bool: DataType.BOOL } as const;

/**
 * Adds a Loop of a given number of turns.
 * @param emit makes the loop, and what is the same at every turn
 * @param turns int64 scalar
 * @param carried what each turn takes and gives anew
 * @param body emits one turn, from its number (int64 scalar) and what is carried to it; gives what it carries on, in
 *   the same order. It may use any tensor from outside; what a GPU has made is copied at every turn, so make it
 *   {@link Emitter.onProcessor}.
 * @param goesOn emits, from what a turn carries on, whether another one follows (bool scalar); without it all do
 * @returns what is carried out of the last turn, or what was given if there is none
 * @example
 * // halves what is above 1, three times
 * const [halved = ''] = loop(emit, emit.int(3), [{ tensor: scores, type: 'float32' }], (body, _turn, [x = '']) => [
 *   body.op('Where', [body.op('Greater', [x, body.float(1)]), body.op('Mul', [x, body.float(0.5)]), x]),
 * ]);
 */
export function loop(
  emit: Emitter,
  turns: string,
  carried: readonly Carried[],
  body: (emit: Emitter, turn: string, carried: readonly string[]) => readonly string[],
  goesOn?: (emit: Emitter, carried: readonly string[]) => string,
): readonly string[] {
  const inner = emit.body();
  const input = (base: string, type: DataType, axes?: readonly string[]): ValueInfoProto =>
    valueInfo(inner.taken(base), type, axes);
  const turn = input('turn', DataType.INT64, []);
  const goOn = input('go_on', DataType.BOOL, []);
  const taken = carried.map(({ type }) => input('carried', CARRIED[type]));
  return emit.onProcessor(() => {
    const given = body(
      inner,
      turn.name,
      taken.map(({ name }) => name),
    );
    const more = goesOn === undefined ? goOn.name : goesOn(inner, given);
    // A body's outputs are made in it, each once, even where they are what came in.
    const made = new Set(inner.nodes.flatMap(({ output }) => output));
    const output = (tensor: string, type: DataType, axes?: readonly string[]): ValueInfoProto => {
      if (made.delete(tensor)) return valueInfo(tensor, type, axes);
      const name = emit.fresh('same');
      inner.nodes.push(
        create(NodeProtoSchema, {
          opType: 'Identity',
          name: emit.fresh('processor/Identity/node'),
          input: [tensor],
          output: [name],
        }),
      );
      return valueInfo(name, type, axes);
    };
    const graph = create(GraphProtoSchema, {
      name: emit.fresh('body'),
      input: [turn, goOn, ...taken],
      output: [
        output(more, DataType.BOOL, []),
        ...carried.map(({ type }, i) => output(given[i] ?? '', CARRIED[type])),
      ],
      node: inner.nodes,
    });
    // without a condition at the beginning, one at the end is not looked at
    const first = goesOn === undefined ? '' : emit.op('Equal', [emit.int(0), emit.int(0)]);
    return emit.ops('Loop', [turns, first, ...carried.map(({ tensor }) => tensor)], {
      outputs: carried.length,
      attributes: { body: graph },
    });
  });
}
