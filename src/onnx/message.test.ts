import { fromBinary, toBinary } from './protobuf.js';
import { NodeProtoSchema } from './schema.js';
import { expect, it } from 'vitest';
import { node } from '../../test/graphs.js';
import { withFields } from './message.js';

it('a copy with other fields has the defaults of those that are not set, and leaves the original alone', () => {
  const read = fromBinary(NodeProtoSchema, toBinary(NodeProtoSchema, node('Neg', ['x'], ['y'])));
  const copy = withFields(NodeProtoSchema, read, { input: ['z'] });
  expect(copy).toMatchObject({ opType: 'Neg', input: ['z'], output: ['y'], domain: '' });
  expect(read.input).toEqual(['x']);
});
