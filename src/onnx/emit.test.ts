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

  it('names what is for the processor, and what is made for a device within it', () => {
    const emit = new Emitter(21, ['x', 'y']);
    const sum = emit.onProcessor(() => {
      const product = emit.onDevice(() => emit.op('MatMul', ['x', 'y']));
      return emit.op('Add', [product, 'x']);
    });
    emit.op('Add', [sum, 'y']);
    expect(emit.nodes.map(({ name }) => name)).toEqual([
      'fastv/MatMul/node',
      'fastv/processor/Add/node',
      'fastv/Add/node',
    ]);
    // what a device has made is not what the processor makes
    emit.onProcessor(() => emit.op('MatMul', ['x', 'y']));
    expect(emit.nodes).toHaveLength(4);
  });
});
