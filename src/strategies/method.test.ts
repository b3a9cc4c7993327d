import { describe, expect, it } from 'vitest';
import { checkStanding, findPreset, methodName, presetNames, PRESETS } from './method.js';
import { parseMethod } from './parse-method.js';

describe('methods', () => {
  it.each([
    'attention',
    'scope+sizes',
    'mmr+mean',
    'scope+sizes+mean',
    'feather+even-images',
    'scope+sizes+attended-images',
  ])('%s is read as it is written', (name) => {
    expect(methodName(parseMethod(name))).toBe(name);
  });

  it('have presets, by their names', () => {
    for (const name of presetNames) {
      expect(findPreset(name)).toBe(PRESETS[name]);
      if (name !== 'v2drop') expect(parseMethod(name)).toBe(PRESETS[name]);
    }
    expect(methodName(findPreset('sizes'))).toBe('scope+sizes+mean');
    expect(methodName(findPreset('pyramid'))).toBe('preset-pyramid');
    // as a strategy it is swept over K and R
    expect(parseMethod('v2drop')).toEqual({ strategy: 'v2drop' });
  });

  it.each([
    '',
    '+sizes',
    'scope+',
    'scope+mean+sizes',
    'scope+even-images+sizes',
    'scope+even',
    'scope+sizes+sizes',
    'Scope',
    'constructor',
  ])('refuse %j, listing what there is', (name) => {
    expect(() => parseMethod(name)).toThrow(
      expect.objectContaining({ code: 'invalid-option', where: '--strategies' }),
    );
    expect(() => findPreset(name)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('check what kept tokens are to stand for', () => {
    expect(checkStanding({})).toEqual({});
    expect(checkStanding({ weights: 'sizes', merge: 'mean' })).toEqual({ weights: 'sizes', merge: 'mean' });
    for (const given of [{ weights: 'size' }, { merge: null }, { weights: true }])
      expect(() => checkStanding(given as object)).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      );
  });
});
