import { create } from './message.js';
import { TensorProto_DataLocation, TensorProtoSchema, type TensorProto } from './schema.js';
import { describe, expect, it } from 'vitest';
import { bodyAttr, graphOf, modelOf, node } from '../../test/graphs.js';
import { allTensors, checkLocation, externalFiles, externalTensors, tensorBytes } from './external.js';
import { DataType } from './tensor.js';

/** A weight in another file. */
function external(name: string, entries: Record<string, string>, dims = [4n, 2n]): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: DataType.FLOAT16,
    dims,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });
}

const nodes = [node('Identity', ['a'], ['y'])];
const refused = (message: RegExp): unknown =>
  expect.objectContaining({
    name: 'FastvError',
    code: 'external-data',
    message: expect.stringMatching(message) as string,
  });

describe('externalTensors', () => {
  it('reads location, offset and length; length defaults to what type and dims take', () => {
    const initializers = [
      external('a', { location: 'w.data', offset: '4096', length: '32' }),
      external('b', { location: 'sub/more.data' }),
    ];
    const model = modelOf({ nodes, initializers });
    expect(externalTensors(model)).toEqual([
      { tensor: 'a', location: 'w.data', offset: 4096, length: 32 },
      { tensor: 'b', location: 'sub/more.data', offset: 0, length: 16 },
    ]);
    expect(externalFiles(model)).toEqual(['w.data', 'sub/more.data']);
  });

  it('finds tensors in subgraphs too', () => {
    const body = graphOf({ nodes, initializers: [external('inner', { location: 'inner.data' })] });
    const model = modelOf({ nodes: [node('If', ['c'], ['y'], bodyAttr('then_branch', body))] });
    expect([...allTensors(model)].map(({ name }) => name)).toEqual(['inner']);
    expect(externalFiles(model)).toEqual(['inner.data']);
  });

  it.each([
    { offset: '-1' },
    { offset: '0x10' },
    { offset: '' },
    { length: '9007199254740993' },
    { length: '1.5' },
  ])('refuses %j', (numbers) => {
    const model = modelOf({ nodes, initializers: [external('a', { location: 'w', ...numbers })] });
    expect(() => externalTensors(model)).toThrow(refused(/"a" has an impossible (offset|length)/));
  });

  it('refuses a tensor that does not say where', () => {
    const model = modelOf({ nodes, initializers: [external('a', {})] });
    expect(() => externalTensors(model)).toThrow(refused(/outside the model's folder/));
  });
});

describe('checkLocation', () => {
  it.each(['model.onnx_data', 'sub/model.data', '..data', 'a..b', '重み.bin'])('takes %j', (location) => {
    expect(() => {
      checkLocation(location, 'w');
    }).not.toThrow();
  });

  it.each([
    '../../etc/passwd',
    '/etc/passwd',
    'a/../../b',
    'a\\..\\b',
    'C:\\x',
    'c:x',
    '\\\\host\\share',
    'http://host/x',
    'a\u0000b',
    'a\nb',
    './a',
    'a//b',
    'a/',
    '',
    'x'.repeat(2000),
  ])('refuses %j', (location) => {
    expect(() => {
      checkLocation(location, 'w');
    }).toThrow(refused(/"w" are said to lie in/));
  });
});

describe('tensorBytes', () => {
  it('packs two 4-bit values in a byte', () => {
    expect(tensorBytes(create(TensorProtoSchema, { dataType: DataType.INT4, dims: [3n] }))).toBe(2);
    expect(tensorBytes(create(TensorProtoSchema, { dataType: DataType.DOUBLE, dims: [3n] }))).toBe(24);
    expect(tensorBytes(create(TensorProtoSchema, { dataType: DataType.STRING, dims: [3n] }))).toBeUndefined();
    expect(tensorBytes(create(TensorProtoSchema, { dataType: DataType.FLOAT, dims: [-3n] }))).toBeUndefined();
  });
});
