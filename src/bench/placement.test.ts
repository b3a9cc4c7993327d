import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decodeModel, GraphView } from '../onnx/index.js';
import { placementOf, placementTables } from './placement.js';
import type { ProfiledNode } from './profile.js';

const view = new GraphView(decodeModel(toyDecoder(toyFamily('gqa').config).bytes).graph);
const named = (operator: string): string => view.nodes.find(({ opType }) => opType === operator)?.name ?? '';

function node(changes: Partial<ProfiledNode>): ProfiledNode {
  return {
    name: 'made by ONNX Runtime',
    operator: 'MatMul',
    provider: 'CPUExecutionProvider',
    time: 1,
    types: ['float'],
    bytes: { inputs: 4000, outputs: 4000 },
    ...changes,
  };
}

const onGpu = node({ name: named('GroupQueryAttention'), provider: 'WebGpuExecutionProvider' });

describe('placementOf', () => {
  it('tells layers, prologue and rewrite apart, and says why', () => {
    const few = { inputs: 8, outputs: 8 };
    const placement = placementOf(
      [
        onGpu,
        node({ name: named('MatMul') }),
        node({ name: named('MatMul'), operator: 'MatMulInteger', types: ['uint8', 'int8', 'int32'] }),
        node({ name: named('ReduceSum'), operator: 'ReduceSum', types: ['int64'], bytes: few }),
        node({ name: 'fastv/TopK/node', operator: 'TopK', types: ['int64'] }),
        node({ name: 'fastv/Round/node', operator: 'Round', types: ['double'], bytes: few }),
        node({ name: 'fastv/Shape/node', operator: 'Shape', types: ['float', 'int64'] }),
        node({ name: 'fastv/IsNaN/node', operator: 'IsNaN', types: ['float', 'bool'] }),
        node({ operator: 'FusedMatMul' }),
      ],
      view,
    );
    expect(placement.nodes).toEqual({ gpu: 1, processor: 8 });
    expect(
      placement.onProcessor.map(({ operator, part, reason }) => `${operator}: ${part}, ${reason}`),
    ).toEqual([
      'MatMul: layers, operator',
      'MatMulInteger: layers, int8',
      'ReduceSum: prologue, a few numbers',
      'TopK: rewrite, int64 or bool, a number a token',
      'Round: rewrite, float64',
      'Shape: rewrite, shape',
      'IsNaN: rewrite, operator',
      'FusedMatMul: unnamed, operator',
    ]);
  });

  it('adds copies up, and knows how large an activation is', () => {
    const copy = (operator: string, outputs: number): ProfiledNode =>
      node({ operator, provider: 'WebGpuExecutionProvider', bytes: { inputs: outputs, outputs } });
    const original = placementOf([onGpu], view);
    const rewritten = placementOf(
      [onGpu, copy('MemcpyToHost', 8), copy('MemcpyToHost', 100), copy('MemcpyFromHost', 4)],
      view,
    );
    expect(rewritten.copies.toProcessor).toEqual({ count: 2, bytes: 108, largest: 100 });
    expect(rewritten.copies.toGpu).toEqual({ count: 1, bytes: 4, largest: 4 });
    expect(rewritten).toMatchObject({ nodes: { gpu: 1, processor: 0 }, largestActivation: 4000 });
    expect(placementTables(original, rewritten)).toMatch(
      /\| to the processor +\| +none \| +2, 108 bytes, the largest 100 \|/u,
    );
  });
});
