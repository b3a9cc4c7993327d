import { create } from './message.js';
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  type NodeProto,
} from './schema.js';
import { describe, expect, it } from 'vitest';
import { intAttr, modelOf, node } from '../../test/graphs.js';
import { MICROSOFT } from './emit.js';
import {
  checkOperators,
  OPERATOR_NAMES,
  input,
  inputs,
  isOperator,
  withInputs,
  withoutAttributes,
} from './operators.js';

const microsoft = (made: NodeProto): NodeProto => Object.assign(made, { domain: MICROSOFT });
const group = (...more: string[]): NodeProto =>
  microsoft(node('GroupQueryAttention', ['q', 'k', 'v', 'pk', 'pv', 's', 't', ...more], ['y', 'pk2', 'pv2']));

describe('an operator', () => {
  it('is told by its type and its domain', () => {
    expect(isOperator(group(), 'GroupQueryAttention')).toBe(true);
    expect(isOperator(microsoft(node('Attention', ['q'], ['y'])), 'Attention')).toBe(false);
    const [theirs, ours] = [
      node('RotaryEmbedding', ['x', 'c', 's', 'p'], ['y']),
      node('RotaryEmbedding', ['x', 'p', 'c', 's'], ['y']),
    ];
    microsoft(ours);
    expect(isOperator(theirs, 'RotaryEmbedding') && input(theirs, 'position_ids')).toBe('p');
    expect(isOperator(ours, 'com.microsoft.RotaryEmbedding') && input(ours, 'position_ids')).toBe('p');
    expect(isOperator(ours, 'RotaryEmbedding')).toBe(false);
  });

  it('gives its inputs by name', () => {
    const some = group('', '', '', 'bias');
    expect([input(some, 'value'), input(some, 'cos_cache'), input(some, 'attention_bias')]).toEqual([
      'v',
      '',
      'bias',
    ]);
    expect(input(some, 'k_norm_weight')).toBe('');
    expect(
      inputs(some)
        .map(({ name }) => name)
        .slice(-2),
    ).toEqual(['total_sequence_length', 'attention_bias']);
    expect(() => input(node('Einsum', ['x'], ['y']), 'data')).toThrow(RangeError);
    expect(() => input(node('Neg', ['x'], ['y']), 'data')).toThrow('Neg has no input data');
  });

  it('is copied with other inputs, and without attributes', () => {
    const old = group();
    old.attribute.push(intAttr('do_rotary', 1), intAttr('num_heads', 2));
    const changed = withInputs(old, { key: 'other', k_norm_weight: 'w' });
    expect(changed.input).toEqual([
      'q',
      'other',
      'v',
      'pk',
      'pv',
      's',
      't',
      '',
      '',
      '',
      '',
      '',
      '',
      '',
      '',
      'w',
    ]);
    expect(withInputs(changed, { k_norm_weight: '' }).input).toHaveLength(7);
    expect(withoutAttributes(changed, 'do_rotary').attribute.map(({ name }) => name)).toEqual(['num_heads']);
    expect(old.input[1]).toBe('k');
    expect(old.attribute).toHaveLength(2);
  });
});

/** Those of ONNX Runtime that ONNX does not have. */
const CONTRIB: ReadonlySet<string> = new Set(
  (
    'GroupQueryAttention MultiHeadAttention FusedMatMul FusedGemm MatMulIntegerToFloat DynamicQuantizeMatMul ' +
    'MatMulNBits MatMulBnb4 QGemm QAttention'
  ).split(' '),
);

describe('checkOperators', () => {
  const check = (made: NodeProto, opset?: number): void => {
    checkOperators(
      modelOf({ inputs: [...new Set(made.input.filter((name) => name !== ''))], nodes: [made] }, opset),
    );
  };
  const text = (name: string, value: string): ReturnType<typeof intAttr> =>
    create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  const withAttribute = (made: NodeProto, attribute: ReturnType<typeof intAttr>): NodeProto => {
    made.attribute.push(attribute);
    return made;
  };
  const blanks = (count: number): string[] => Array.from({ length: count }, () => '');

  it('lets pass what is known, and what only repeats a default', () => {
    check(group(...blanks(7), 'qn', 'kn'));
    check(withAttribute(group(), intAttr('sliding_window_cache', 0)));
    check(withAttribute(group(), text('k_quant_type', 'NONE')));
    check(node('Concat', ['a', 'b', 'c', 'd'], ['y'], intAttr('axis', 0)));
    check(node('Einsum', ['a'], ['y'], intAttr('whatever', 1)));
  });

  it.each<[string, NodeProto, RegExp, RegExp]>([
    [
      'a quantised cache',
      group(...blanks(5), 'scale'),
      /has the input k_scale \("scale"\)/,
      /cache in float/,
    ],
    [
      'its type',
      withAttribute(group(), text('v_quant_type', 'PER_TENSOR')),
      /v_quant_type = PER_TENSOR/,
      /cache in float/,
    ],
    [
      'its width',
      withAttribute(group(), intAttr('kv_cache_bit_width', 4)),
      /kv_cache_bit_width = 4/,
      /cache in float/,
    ],
    [
      'a ring',
      withAttribute(group(), intAttr('sliding_window_cache', 1)),
      /sliding_window_cache = 1/,
      /windowed_kv_cache=false/,
    ],
    [
      'an input of a newer operator',
      group(...blanks(9), 'new'),
      /has an input 16 \("new"\)/,
      /older exporter/,
    ],
    [
      'an attribute of a newer operator',
      withAttribute(group(), intAttr('new', 1)),
      /has an attribute new/,
      /older exporter/,
    ],
    [
      'lengths of Attention',
      node('Attention', ['q', 'k', 'v', ...blanks(3), 'n'], ['y']),
      /nonpad_kv_seqlen/,
      /attn_mask/,
    ],
    [
      'a cache indirection',
      microsoft(node('MultiHeadAttention', ['q', ...blanks(8), 'c'], ['y'])),
      /cache_indirection/,
      /past/,
    ],
    [
      'packed batches',
      microsoft(node('RotaryEmbedding', ['x'], ['y'], intAttr('is_packed_batching', 1))),
      /is_packed_batching/,
      /packed/,
    ],
  ])('refuses %s by name', (_, made, message, hint) => {
    expect(() => {
      check(made);
    }).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: expect.stringContaining(made.opType) as string,
        message: expect.stringMatching(message) as string,
        hint: expect.stringMatching(hint) as string,
      }),
    );
  });

  describe.each(OPERATOR_NAMES.map((name) => [name]))('%s', (name) => {
    const [opType = '', domain = ''] = name.startsWith(MICROSOFT)
      ? [name.slice(MICROSOFT.length + 1), MICROSOFT]
      : [name, CONTRIB.has(name) ? MICROSOFT : ''];
    const made = (inputs: string[] = []): NodeProto => Object.assign(node(opType, inputs, ['y']), { domain });
    const refusal = (message: RegExp): unknown =>
      expect.objectContaining({
        code: 'unsupported-decoder',
        message: expect.stringMatching(message) as string,
        where: expect.stringContaining(opType) as string,
      });
    const checked = (of: NodeProto) => () => {
      check(of);
    };

    it('is refused with an attribute that is not known', () => {
      expect(checked(made())).not.toThrow();
      expect(checked(withAttribute(made(), intAttr('of_tomorrow', 1)))).toThrow(
        refusal(/attribute of_tomorrow/),
      );
    });

    it.skipIf(name === 'Concat')('is refused with an input that is not known', () => {
      expect(checked(made([...blanks(20), 'more']))).toThrow(refusal(/input 20 \("more"\)/));
    });

    it('is refused in a domain that is not known', () => {
      expect(checked(Object.assign(made(), { domain: 'org.example' }))).toThrow(
        refusal(/domain "org.example"/),
      );
    });
  });

  it('refuses operator sets that are newer than what is known', () => {
    expect(() => {
      check(group(), 99);
    }).toThrow(expect.objectContaining({ where: 'opset_import' }));
    const model = modelOf({ inputs: ['x'], nodes: [node('Neg', ['x'], ['y'])] });
    for (const set of model.opsetImport) if (set.domain === MICROSOFT) set.version = 2n;
    expect(() => {
      checkOperators(model);
    }).toThrow(/version 2 of the operator set "com.microsoft"/);
  });
});
