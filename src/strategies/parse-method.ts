// Ways of pruning by their names, as sweeps and benchmarks are given them.
import { FastvError } from '../errors.js';
import { strategies } from './list.js';
import { presetNames, PRESETS, SHARES, type Method } from './method.js';

/**
 * A method by its name: a strategy, with `+sizes`, `+mean` and `+even-images` or `+attended-images` behind it, or a preset.
 * @throws {FastvError} `invalid-option` listing the names
 */
export function parseMethod(name: string, where = '--strategies'): Method {
  const preset = presetNames.find((one) => one === name);
  // v2drop is a strategy too, and sweeps over K and R mean that
  if (preset !== undefined && !strategies.some((one) => one.name === name)) return PRESETS[preset];
  const [first = '', ...parts] = name.split('+');
  const strategy = strategies.find((one) => one.name === first)?.name;
  const perImage =
    parts.at(-1) === SHARES.even ? 'even' : parts.at(-1) === SHARES.attention ? 'attention' : undefined;
  if (perImage !== undefined) parts.pop();
  const known = parts.length === 0 || ['sizes', 'mean', 'sizes+mean'].includes(parts.join('+'));
  if (strategy === undefined || !known) {
    throw new FastvError('invalid-option', `there is no strategy ${JSON.stringify(name)}`, {
      where,
      hint: `Choose among ${strategies.map((one) => one.name).join(', ')}, with +sizes or +sizes+mean, +${SHARES.even} or +${SHARES.attention}, or a preset: ${presetNames.join(', ')}.`,
    });
  }
  return {
    strategy,
    ...(parts.includes('sizes') ? { weights: 'sizes' } : {}),
    ...(parts.includes('mean') ? { merge: 'mean' } : {}),
    ...(perImage && { perImage }),
  };
}
