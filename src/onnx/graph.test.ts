import type { NodeProto } from './schema.js';
import { describe, expect, it } from 'vitest';
import { bodyAttr, graphOf, node, type GraphParts } from '../../test/graphs.js';
import { allNames, GraphView, label, topologicalOrder, renameInputs } from './graph.js';
import { int64Tensor } from './tensor.js';

const view = (parts: GraphParts): GraphView => new GraphView(graphOf(parts));
const names = (nodes: Iterable<NodeProto>): string[] => [...nodes].map(({ output }) => output[0] ?? '');
const malformed = (message: RegExp): unknown =>
  expect.objectContaining({
    name: 'FastvError',
    code: 'malformed-model',
    message: expect.stringMatching(message) as string,
    where: expect.any(String) as string,
  });

/** `If` whose branch adds what it takes from outside: x and, one graph deeper, y. */
const branching = node(
  'If',
  ['c'],
  ['z'],
  bodyAttr(
    'then_branch',
    graphOf({
      nodes: [
        node('Neg', ['x'], ['own']),
        node(
          'If',
          ['own'],
          ['deep'],
          bodyAttr('then_branch', graphOf({ nodes: [node('Neg', ['y'], ['d'])] })),
        ),
      ],
      outputs: ['own', 'deep'],
    }),
  ),
);

describe('GraphView', () => {
  it('knows producers and consumers, each consumer once', () => {
    const graph = view({
      inputs: ['x'],
      outputs: ['z'],
      nodes: [node('Mul', ['x', 'x'], ['y']), node('Add', ['y', 'x'], ['z'])],
    });
    expect(graph.producer('x')).toBeUndefined();
    expect(graph.producer('z')?.opType).toBe('Add');
    expect(names(graph.consumers('x'))).toEqual(['y', 'z']);
    expect(names(graph.ancestors(['z']))).toEqual(['z', 'y']);
  });

  it('takes what subgraphs use from outside for inputs of their node', () => {
    const graph = view({ inputs: ['c', 'x', 'y'], outputs: ['z'], nodes: [branching] });
    expect(graph.inputsOf(branching)).toEqual(['c', 'x', 'y']);
    expect(graph.capturesOf(branching)).toEqual(['x', 'y']);
    expect(names(graph.consumers('y'))).toEqual(['z']);
  });

  it('does not count initialisers that are listed among the inputs', () => {
    const graph = view({
      inputs: ['x', 'w'],
      initializers: [Object.assign(int64Tensor([1]), { name: 'w' })],
    });
    expect([...graph.inputs.keys()]).toEqual(['x']);
  });

  it('reads integer constants behind Identity', () => {
    const graph = view({
      initializers: [Object.assign(int64Tensor([2, 3]), { name: 'w' })],
      nodes: [node('Identity', ['w'], ['i']), node('Identity', ['i'], ['j']), node('Shape', ['j'], ['s'])],
    });
    expect(graph.constantInts('j')).toEqual([2, 3]);
    expect(graph.constantInts('s')).toBeUndefined();
  });

  it.each<[string, GraphParts, RegExp]>([
    [
      'a cycle',
      { inputs: ['x'], nodes: [node('Add', ['x', 'b'], ['a']), node('Neg', ['a'], ['b'])] },
      /has a cycle/,
    ],
    ['a node that needs itself', { nodes: [node('Neg', ['a'], ['a'])] }, /has a cycle/],
    [
      'two nodes with one result',
      { inputs: ['x'], nodes: [node('Neg', ['x'], ['y']), node('Abs', ['x'], ['y'])] },
      /"y" is defined twice/,
    ],
    [
      'a node that computes an input',
      { inputs: ['x'], nodes: [node('Neg', ['x'], ['x'])] },
      /"x" is defined twice/,
    ],
    ['an undefined input', { nodes: [node('Neg', ['x'], ['y'])] }, /"x" is used but never defined/],
    ['an undefined capture', { inputs: ['c', 'x'], nodes: [branching] }, /"y" is used but never defined/],
    ['an undefined output', { outputs: ['y'] }, /the output "y" is never computed/],
  ])('refuses %s', (_, parts, message) => {
    expect(() => view(parts)).toThrow(malformed(message));
  });

  it('takes a chain of 100,000 nodes that lies in the wrong order', () => {
    const nodes = Array.from({ length: 100_000 }, (_, i) => node('Neg', [`t${i}`], [`t${i + 1}`])).reverse();
    const graph = view({ inputs: ['t0'], outputs: ['t100000'], nodes });
    expect(graph.nodes[0]?.output).toEqual(['t1']);
    expect(graph.ancestors(['t100000']).size).toBe(100_000);
  });
});

describe('topologicalOrder', () => {
  it('leaves nodes alone that are in order, and moves as few as it must', () => {
    const [a, b, c, d] = [
      node('Neg', ['x'], ['a']),
      node('Neg', ['x'], ['b']),
      node('Neg', ['d'], ['c']),
      node('Neg', ['a'], ['d']),
    ] as const;
    const inputs = (n: NodeProto): readonly string[] => n.input;
    expect(names(topologicalOrder([b, a, d, c], inputs))).toEqual(['b', 'a', 'd', 'c']);
    expect(names(topologicalOrder([a, c, b, d], inputs))).toEqual(['a', 'd', 'c', 'b']);
  });
});

describe('allNames', () => {
  it('names what subgraphs use and define', () => {
    const found = new Set(allNames(graphOf({ inputs: ['c'], nodes: [branching] })));
    for (const name of ['c', 'z', 'own', 'deep', 'd', 'x', 'y']) expect(found).toContain(name);
  });
});

describe('renameInputs', () => {
  it('renames what a node and its subgraphs take from outside, in a copy', () => {
    const renamed = renameInputs(branching, (name) => `${name}'`);
    const graph = view({ inputs: ["c'", "x'", "y'"], nodes: [renamed] });
    expect(graph.inputsOf(renamed)).toEqual(["c'", "x'", "y'"]);
    expect(renamed.output).toEqual(['z']);
    expect(branching.input).toEqual(['c']);
  });

  it('leaves the places of absent inputs empty', () => {
    expect(renameInputs(node('Clip', ['x', '', 'm'], ['y']), (name) => `${name}'`).input).toEqual([
      "x'",
      '',
      "m'",
    ]);
  });
});

describe('label', () => {
  it('is the op and the name, or the first result', () => {
    expect(label(node('Neg', ['x'], ['y']))).toBe('Neg "y"');
  });
});
