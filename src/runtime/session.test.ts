import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { info, node, open } from '../../test/graphs.js';
import { DataType } from '../onnx/index.js';
import { timed, wrapRun } from './session.js';
import type { OrtSession } from './transformers.js';

let session: OrtSession;
beforeAll(async () => {
  const of = (name: string): ReturnType<typeof info> => info(name, DataType.FLOAT, [2]);
  session = await open(
    {
      inputs: [of('a'), of('b')],
      outputs: [of('sum'), of('product')],
      nodes: [node('Add', ['a', 'b'], ['sum']), node('Mul', ['a', 'b'], ['product'])],
      initializers: [],
    },
    17,
  );
});
const floats = (...values: number[]): Tensor => new Tensor('float32', values, [values.length]);

describe('wrapRun', () => {
  it('puts something around run and hides names; the rest is the session’s own', async () => {
    const wrapped = wrapRun(
      session,
      (run) =>
        async (feeds, ...rest) => {
          const { product, ...shown } = await run({ ...feeds, b: floats(3, 4) }, ...rest);
          expect(product?.data).toEqual(new Float32Array([3, 8]));
          return shown;
        },
      ['b', 'product'],
    );
    expect([wrapped.inputNames, wrapped.outputNames]).toEqual([['a'], ['sum']]);
    expect(wrapped.inputMetadata.map(({ name }) => name)).toEqual(['a']);
    expect(wrapped.outputMetadata.map(({ name }) => name)).toEqual(['sum']);
    const outputs = await wrapped.run({ a: floats(1, 2) });
    expect(Object.keys(outputs)).toEqual(['sum']);
    expect(outputs['sum']?.data).toEqual(new Float32Array([4, 6]));
    expect(wrapped).toBeInstanceOf(InferenceSession);
    // the session itself is as it was
    expect(session.inputNames).toEqual(['a', 'b']);
  });
});

describe('timed', () => {
  it('tells the time of each run, of one that fails too', async () => {
    const told: number[] = [];
    const wrapped = wrapRun(session, (run) => timed(run, (ms) => told.push(ms)));
    await wrapped.run({ a: floats(1, 2), b: floats(1, 2) });
    await expect(wrapped.run({ a: floats(1, 2) })).rejects.toThrow();
    expect(told).toHaveLength(2);
    for (const ms of told) expect(ms).toBeGreaterThanOrEqual(0);
  });
});
