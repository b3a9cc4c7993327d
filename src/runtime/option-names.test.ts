import { describe, expect, it } from 'vitest';
import { nearestName, optionsObject, unknownOption } from './option-names.js';

const known = [
  'layer',
  'ratio',
  'budget',
  'seed',
  'strategy',
  'onUnsupported',
  'onWarning',
  'cache',
  'dtype',
];

describe('nearestName', () => {
  it.each([
    ['ration', 'ratio'],
    ['ratoi', 'ratio'],
    ['ratios', 'ratio'],
    ['Ratio', 'ratio'],
    ['layers', 'layer'],
    ['K', 'layer'],
    ['R', 'ratio'],
    ['keep', 'budget'],
    ['onWarn', 'onWarning'],
    ['onunsuported', 'onUnsupported'],
    ['dtyp', 'dtype'],
    ['temperature', undefined],
    ['', undefined],
    ['constructor', undefined],
  ])('of %j is %s', (name, expected) => {
    expect(nearestName(name, known)).toBe(expected);
  });
});

describe('unknownOption', () => {
  it('suggests, or lists what there is', () => {
    expect(unknownOption('ration', { where: 'fastv', known })).toMatchObject({
      code: 'invalid-option',
      message: 'there is no option "ration"',
      where: 'fastv',
      hint: 'Did you mean ratio?',
    });
    expect(unknownOption('temperature', { where: 'fastv', known }).hint).toMatch(
      /^There are layer, ratio, /u,
    );
  });
});

describe('optionsObject', () => {
  it.each([[null], [[0.9]], [3], ['x'], [() => undefined]])('refuses %j', (given) => {
    expect(() => optionsObject(given, 'fastv', '{ ratio: 0.5 }')).toThrow(
      expect.objectContaining({ code: 'invalid-option', where: 'fastv', hint: 'for example { ratio: 0.5 }' }),
    );
  });
  it('takes an object as it is', () => {
    const options = { ratio: 0.5 };
    expect(optionsObject(options, 'fastv', '')).toBe(options);
  });
});
