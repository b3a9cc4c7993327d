import { describe, expect, it } from 'vitest';
import { toBinary } from './protobuf.js';
import { ModelProtoSchema } from './schema.js';
import { info, modelOf, node } from '../../test/graphs.js';
import { editModel } from './edit.js';
import { Emitter, MICROSOFT } from './emit.js';
import { GraphView } from './graph.js';
import type { OnnxModel } from './read.js';
import { DataType, floatTensor } from './tensor.js';

function model(): OnnxModel {
  const made = modelOf({
    inputs: [info('x', DataType.FLOAT, [2])],
    outputs: [info('y', DataType.FLOAT, [2])],
    initializers: [Object.assign(floatTensor([1, 2]), { name: 'w' })],
    nodes: [node('Add', ['x', 'w'], ['h']), node('Neg', ['h'], ['n']), node('Abs', ['n'], ['y'])],
  });
  made.graph.valueInfo = [info('h', DataType.FLOAT, [2]), info('n', DataType.FLOAT, [2])];
  return made;
}

describe('editModel', () => {
  it('replaces nodes, sorts them, and forgets the shapes of what they gave', () => {
    const old = model();
    const bytes = toBinary(ModelProtoSchema, old);
    const emit = new Emitter(21, ['x', 'y', 'h', 'n', 'w']);
    const neg = old.graph.node[1];
    if (neg === undefined) throw new Error('no node');
    const doubled = emit.op('Mul', ['h', emit.float(2)]);
    const { graph } = editModel(old, { emit, replace: new Map([[neg, node('Neg', [doubled], ['n'])]]) });
    expect(graph.node.map(({ opType }) => opType)).toEqual(['Add', 'Mul', 'Neg', 'Abs']);
    expect(graph.valueInfo.map(({ name }) => name)).toEqual(['h']);
    expect(graph.initializer[0]).toBe(old.graph.initializer[0]);
    expect(new GraphView(graph).nodes).toEqual(graph.node);
    expect(toBinary(ModelProtoSchema, old)).toEqual(bytes);
  });

  it('leaves out what no output needs, and constants that were made for it', () => {
    const old = model();
    const emit = new Emitter(21, []);
    emit.op('Mul', ['h', emit.float(2)]);
    const { graph } = editModel(old, { emit });
    expect(graph.node).toEqual(old.graph.node);
    expect(graph.initializer).toEqual(old.graph.initializer);
  });

  it('declares inputs and outputs anew, or behind the others', () => {
    const old = model();
    const emit = new Emitter(21, []);
    emit.op('Identity', ['h'], { output: 'z' });
    const { graph } = editModel(old, {
      emit,
      inputs: [info('x', DataType.FLOAT, ['n']), info('k', DataType.INT64, [])],
      outputs: [info('z', DataType.FLOAT, ['n'])],
    });
    expect(graph.input).toEqual([info('x', DataType.FLOAT, ['n']), info('k', DataType.INT64, [])]);
    expect(graph.output.map(({ name }) => name)).toEqual(['y', 'z']);
    expect(graph.node.at(-1)?.output).toEqual(['z']);
  });

  it('imports the operator set of new nodes', () => {
    const old = model();
    old.opsetImport = old.opsetImport.filter(({ domain }) => domain === '');
    expect(editModel(old, {}).opsetImport).toBe(old.opsetImport);
    const emit = new Emitter(21, []);
    emit.op('QuickGelu', ['h'], { domain: MICROSOFT, output: 'z' });
    const { opsetImport } = editModel(old, { emit, outputs: [info('z', DataType.FLOAT, ['n'])] });
    expect(opsetImport.map(({ domain }) => domain)).toEqual(['', MICROSOFT]);
  });

  it('replaces initialisers', () => {
    const old = model();
    const [weight] = old.graph.initializer;
    if (weight === undefined) throw new Error('no weight');
    const other = Object.assign(floatTensor([3, 4]), { name: 'w' });
    expect(editModel(old, { initializers: new Map([[weight, other]]) }).graph.initializer).toEqual([other]);
  });

  it('replaces initialisers, with what inputs said of the old ones, and adds constants', () => {
    const old = model();
    old.graph.input.push(info('w', DataType.FLOAT, [2]));
    const [w] = old.graph.initializer;
    if (w === undefined) throw new Error('no initialiser');
    const other = Object.assign(floatTensor([3, 4]), { name: 'w' });
    const constant = Object.assign(floatTensor([5]), { name: 'c' });
    const { graph } = editModel(old, { initializers: new Map([[w, other]]), constants: [constant] });
    expect(graph.initializer).toEqual([other, constant]);
    expect(graph.input.map(({ name }) => name)).toEqual(['x']);
  });
});
