import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open } from '../../test/graphs.js';
import { DataType, Emitter } from '../onnx/index.js';
import { loop } from './loop.js';

describe.each([13, 17, 21])('loop, opset %i', (opset) => {
  /** x and n in; the states after n turns out. */
  async function run(
    emit: Emitter,
    outputs: readonly string[],
    n: number,
    x: readonly number[],
  ): Promise<number[][]> {
    const session = await open(
      {
        inputs: [info('x', DataType.FLOAT, ['length']), info('n', DataType.INT64, [])],
        outputs: outputs.map((_, i) => info(`y${i}`, DataType.FLOAT, ['length'])),
        nodes: [...emit.nodes, ...outputs.map((name, i) => node('Identity', [name], [`y${i}`]))],
        initializers: emit.initializers,
      },
      opset,
    );
    const results = await session.run({
      x: new Tensor('float32', Float32Array.from(x), [x.length]),
      n: new Tensor('int64', [BigInt(n)], []),
    });
    return outputs.map((_, i) => numbers(results, `y${i}`));
  }

  it('carries tensors from turn to turn, none where there is no turn', async () => {
    const emit = new Emitter(opset, ['x', 'n', 'y0', 'y1']);
    const type = 'float32' as const;
    const [sum = '', last = ''] = loop(
      emit,
      'n',
      [
        { tensor: 'x', type },
        { tensor: 'x', type },
      ],
      (body, turn, [before = '']) => {
        const next = body.op('Add', [before, body.op('Add', ['x', body.castToFloat(turn)])]);
        return [next, before];
      },
    );
    expect(await run(emit, [sum, last], 0, [1, 2])).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(await run(emit, [sum, last], 3, [1, 2])).toEqual([
      [7, 11],
      [4, 7],
    ]);
  });

  it('may hand on one tensor twice, or what it was given', async () => {
    const emit = new Emitter(opset, ['x', 'n', 'y0', 'y1', 'y2']);
    const type = 'float32' as const;
    const carried = ['x', 'x', 'x'].map((tensor) => ({ tensor, type }));
    const states = loop(emit, 'n', carried, (body, _, [a = '', , c = '']) => {
      const doubled = body.op('Add', [a, a]);
      return [doubled, doubled, c];
    });
    expect(await run(emit, states, 2, [3])).toEqual([[12], [12], [3]]);
  });

  it('loops inside loops, and makes what no turn changes before them', async () => {
    const emit = new Emitter(opset, ['x', 'n', 'y0']);
    const type = 'float32' as const;
    const [sum = ''] = loop(emit, 'n', [{ tensor: 'x', type }], (outer, _, [a = '']) =>
      loop(outer, 'n', [{ tensor: a, type }], (inner, turn, [b = '']) => [
        inner.op('Sub', [
          inner.op('Mul', [inner.op('Exp', ['x']), b]),
          inner.op('Mul', [a, inner.castToFloat(turn)]),
        ]),
      ]),
    );
    expect(emit.nodes.map(({ opType }) => opType)).toEqual(['Exp', 'Loop']);
    const step = (a: number): number => [0, 1].reduce((b, turn) => b - a * turn, a);
    expect(await run(emit, [sum], 2, [0])).toEqual([[step(step(0))]]);
    const e = Math.exp(0.5);
    const stepE = (a: number): number => [0, 1].reduce((b, turn) => e * b - a * turn, a);
    const [[given = NaN] = []] = await run(emit, [sum], 2, [0.5]);
    expect(given).toBeCloseTo(stepE(stepE(0.5)), 4);
  });

  it('ends where a turn says so, with what that turn carries on', async () => {
    const emit = new Emitter(opset, ['x', 'n', 'y0']);
    const type = 'float32' as const;
    const [sum = ''] = loop(
      emit,
      'n',
      [{ tensor: 'x', type }],
      (body, _, [a = '']) => [body.op('Add', [a, a])],
      (body, [a = '']) =>
        body.op('Less', [body.reshape(body.reduce('ReduceMax', a, [0], true), body.ints()), body.float(20)]),
    );
    expect(await run(emit, [sum], 10, [1, 3])).toEqual([[8, 24]]);
    expect(await run(emit, [sum], 2, [1, 3])).toEqual([[4, 12]]);
    expect(await run(emit, [sum], 0, [1, 3])).toEqual([[1, 3]]);
    expect(await run(emit, [sum], 10, [30, 3])).toEqual([[60, 6]]);
  });
});
