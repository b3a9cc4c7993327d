import { create } from './message.js';
import { AttributeProto_AttributeType as AttributeType, AttributeProtoSchema } from './schema.js';
import { describe, expect, it } from 'vitest';
import { intAttr, intsAttr, node } from '../../test/graphs.js';
import { floatAttribute, intAttribute, intsAttribute } from './attributes.js';

const scale = create(AttributeProtoSchema, { name: 'scale', type: AttributeType.FLOAT, f: 0.5 });
const op = node(
  'Op',
  [],
  [],
  intAttr('axis', -1),
  scale,
  intsAttr('perm', 0, 2),
  intAttr('end', 2n ** 63n - 1n),
);

describe('attributes', () => {
  it('are read by name', () => {
    expect(intAttribute(op, 'axis', 7)).toBe(-1);
    expect(floatAttribute(op, 'scale', 7)).toBe(0.5);
    expect(intsAttribute(op, 'perm')).toEqual([0, 2]);
  });

  it('have the default of the documentation where they are absent or of another type', () => {
    expect(intAttribute(op, 'scale', 7)).toBe(7);
    expect(floatAttribute(op, 'axis', 7)).toBe(7);
    expect(intsAttribute(op, 'axes')).toBeUndefined();
  });

  it('stay exact: INT64_MAX, which stands for the end, is the largest safe integer', () => {
    expect(intAttribute(op, 'end', 0)).toBe(Number.MAX_SAFE_INTEGER);
  });
});
