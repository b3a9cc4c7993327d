import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open } from '../../test/graphs.js';
import { Emitter } from './emit.js';
import { DataType } from './tensor.js';

describe('Emitter', () => {
  it('gives names that nothing has', () => {
    const emit = new Emitter(21, ['fastv/Shape', 'fastv/Shape_1', 'x']);
    const made = [emit.fresh('Shape'), emit.fresh('Shape'), emit.fresh('x'), emit.fresh('Shape_2')];
    expect(made[0]).toBe('fastv/Shape_2');
    expect(new Set([...made, 'fastv/Shape', 'fastv/Shape_1', 'x']).size).toBe(7);
  });

  it('makes the same node once', () => {
    const emit = new Emitter(21, ['x']);
    expect(emit.dim('x', 1)).toBe(emit.dim('x', 1));
    expect(emit.nodes.map(({ opType }) => opType)).toEqual(['Shape', 'Gather']);
    expect(emit.dim('x', 2)).not.toBe(emit.dim('x', 1));
    expect(emit.ints(1, 2)).toBe(emit.ints(1, 2));
    expect(emit.ints(12)).not.toBe(emit.ints(1, 2));
  });

  it('tells nodes apart by integer and float attributes, inputs and outputs', () => {
    const emit = new Emitter(21, ['x']);
    const made = [
      emit.op('Op', ['x'], { attributes: { a: 1n } }),
      emit.op('Op', ['x'], { attributes: { a: 1 } }),
      emit.op('Op', ['x'], { attributes: { a: '1n' } }),
      emit.op('Op', ['x', '']),
      emit.op('Op', ['x'], { domain: 'com.microsoft' }),
      ...emit.ops('Op', ['x'], { outputs: 2 }),
    ];
    expect(new Set(made).size).toBe(7);
  });

  it('names an output as it is told, and gives the same node under that name later', () => {
    const emit = new Emitter(21, ['x']);
    const [first, named] = [emit.op('Neg', ['x']), emit.op('Neg', ['x'], { output: 'y' })];
    expect([named, emit.op('Neg', ['x'])]).toEqual(['y', 'y']);
    expect(emit.nodes.map(({ output }) => output)).toEqual([[first], ['y']]);
  });

  it('copies a node under fresh names, and leaves absent outputs absent', () => {
    const emit = new Emitter(21, ['x', 'a', 'b', 'x2']);
    const copies = emit.copy(node('Split', ['x'], ['a', '', 'b']), () => 'x2');
    expect([...copies.keys()]).toEqual(['a', 'b']);
    expect(emit.nodes[0]).toMatchObject({ input: ['x2'], output: [copies.get('a'), '', copies.get('b')] });
  });

  it('gives ReduceMean its axes as an attribute until opset 17, as an input from 18 on', () => {
    const made = (opset: number): readonly [number, string[]] => {
      const emit = new Emitter(opset, ['x']);
      emit.reduce('ReduceMean', 'x', [1], true);
      const [mean] = emit.nodes;
      return [mean?.input.length ?? 0, mean?.attribute.map(({ name }) => name) ?? []];
    };
    for (const opset of [13, 17]) expect(made(opset)).toEqual([1, ['axes', 'keepdims']]);
    for (const opset of [18, 21]) expect(made(opset)).toEqual([2, ['keepdims']]);
  });

  it.each([13, 17, 18, 21])('computes what its methods say, opset %i', async (opset) => {
    const emit = new Emitter(opset, ['x', 'y']);
    const last = emit.unsqueeze(emit.last('x', 1), 0);
    const parts = [
      emit.reduce('ReduceSum', 'x', [1], false),
      emit.reduce('ReduceMean', 'x', [1], false),
      emit.reduce('ReduceMax', 'x', [1], false),
      emit.reduce('ReduceMin', 'x', [1], false),
      emit.reshape(emit.transpose(last, 2, 1, 0), emit.ints(-1)),
      emit.cast(emit.reshape(emit.dim('x', 1), emit.ints(1)), DataType.FLOAT),
      emit.cast(emit.range(emit.dim('x', 1)), DataType.FLOAT),
      emit.reshape(emit.softmax(emit.slice('x', emit.ints(0), emit.ints(1), 1)), emit.ints(-1)),
    ];
    emit.nodes.push(node('Identity', [emit.concat(parts, 0)], ['y']));
    const session = await open(
      {
        inputs: [info('x', DataType.FLOAT, [2, 3])],
        outputs: [info('y', DataType.FLOAT, ['n'])],
        nodes: emit.nodes,
        initializers: emit.initializers,
      },
      opset,
    );
    const x = new Tensor('float32', [1, 2, 6, 4, 5, 9], [2, 3]);
    expect(numbers(await session.run({ x }), 'y')).toEqual([9, 18, 3, 6, 6, 9, 1, 4, 6, 9, 3, 0, 1, 2, 1, 1]);
  });

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
      const [sum = '', last = ''] = emit.loop(
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
      const states = emit.loop('n', carried, (body, _, [a = '', , c = '']) => {
        const doubled = body.op('Add', [a, a]);
        return [doubled, doubled, c];
      });
      expect(await run(emit, states, 2, [3])).toEqual([[12], [12], [3]]);
    });

    it('loops inside loops, and makes what no turn changes before them', async () => {
      const emit = new Emitter(opset, ['x', 'n', 'y0']);
      const type = 'float32' as const;
      const [sum = ''] = emit.loop('n', [{ tensor: 'x', type }], (outer, _, [a = '']) =>
        outer.loop('n', [{ tensor: a, type }], (inner, turn, [b = '']) => [
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
  });
});
