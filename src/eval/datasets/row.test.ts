import { describe, expect, it } from 'vitest';
import { parsePythonList } from './python-literal.js';
import {
  field,
  integerField,
  LIMITS,
  listField,
  optionalText,
  textField,
  textListField,
  type Row,
} from './row.js';

const row = (fields: Record<string, unknown>): Row => ({ file: 'f.parquet', index: 7, fields });

describe('fields', () => {
  it('reads what is there', () => {
    const r = row({
      a: 'x',
      n: 3n,
      s: '12',
      b: { c: 'y' },
      l: ['p', 'q'],
      r: [{ answer: 'z' }],
      t: new Int32Array([1, 2]),
    });
    expect(textField(r, 'a')).toBe('x');
    expect(textField(r, 'n')).toBe('3');
    expect(textField(r, 'b.c')).toBe('y');
    expect(integerField(r, 'n')).toBe(3);
    expect(integerField(r, 's')).toBe(12);
    expect(textListField(r, 'l')).toEqual(['p', 'q']);
    expect(textListField(r, 'r', 'answer')).toEqual(['z']);
    expect(listField(r, 't')).toEqual([1, 2]);
    expect(textListField(row({ l: "['a', \"it's\"]" }), 'l')).toEqual(['a', "it's"]);
  });

  it('knows holes', () => {
    const r = row({ a: null, b: 'nan', c: NaN, d: '' });
    for (const name of ['a', 'b', 'c', 'absent', 'a.b']) expect(optionalText(r, name)).toBeNull();
    expect(optionalText(r, 'd')).toBe('');
  });

  it('does not see what objects inherit', () => {
    expect(field(row({}), '__proto__')).toBeNull();
    expect(field(row({}), 'constructor.name')).toBeNull();
    expect(field(row({ __proto__: null }), 'toString')).toBeNull();
  });

  it.each([
    ['text', () => textField(row({ q: [1] }), 'q')],
    ['text', () => textField(row({}), 'q')],
    ['characters', () => textField(row({ q: 'x'.repeat(LIMITS.text + 1) }), 'q')],
    ['whole number', () => integerField(row({ q: 1.5 }), 'q')],
    ['whole number', () => integerField(row({ q: true }), 'q')],
    ['whole number', () => integerField(row({ q: '0x10' }), 'q')],
    ['whole number', () => integerField(row({ q: 2n ** 60n }), 'q')],
    ['list', () => listField(row({ q: 'x' }), 'q')],
    ['items', () => listField(row({ q: new Array(LIMITS.items + 1).fill(0) }), 'q')],
    ['text', () => textListField(row({ q: ['a', {}] }), 'q')],
    ['text', () => textListField(row({ q: ['a'] }), 'q', 'answer')],
  ])('refuses, naming file, row and field: %s', (message, read) => {
    expect(read).toThrow(message);
    expect(read).toThrow(
      expect.objectContaining({
        code: 'invalid-input',
        where: expect.stringContaining('f.parquet, row 7, field q') as string,
      }) as Error,
    );
  });
});

describe('Python lists', () => {
  it.each([
    ["['a', 'b']", ['a', 'b']],
    ['["it\'s", \'say "hi"\']', ["it's", 'say "hi"']],
    ["('a', 2, 3.5, None)", ['a', '2', '3.5', 'None']],
    ["['a\\n\\'\\x41\\u00fc\\q']", ["a\n'Aü\\q"]],
    ["['a',]", ['a']],
    ['[]', []],
    [' [ ] ', []],
  ])('%s', (text, items) => {
    expect(parsePythonList(text)).toEqual(items);
  });
  it.each(['', 'a', "['a'", "['a' 'b']", "[['a']]", "[f('x')]", '[1, b]', "['a', , 'b']", "['a]"])(
    'refuses %s',
    (text) => {
      expect(parsePythonList(text)).toBeNull();
    },
  );
  it('is linear in hostile text', () => {
    expect(parsePythonList(`[${"'a', ".repeat(20_000)}`)).toBeNull();
    expect(parsePythonList(`['${'\\'.repeat(100_001)}']`)).toBeNull();
  });
});
