// The options that say where and how much to prune: `--layer K --ratio R`, or `--stage K:R` once a stage.
import { FastvError } from '../errors.js';
import type { Stage } from '../cost/stages.js';

/** Reads a whole number, 0 or more. For commander: `(v) => wholeNumber('--layer', v)`. */
export function wholeNumber(option: string, value: string): number {
  if (!/^\d{1,15}$/.test(value)) {
    throw new FastvError('invalid-option', `${JSON.stringify(value)} is no whole number, 0 or more`, {
      where: option,
    });
  }
  return Number(value);
}

/** Reads a share: a number in [0, 1], or a percentage (`50%`). */
export function share(option: string, value: string): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(value)?.[1];
  const number =
    percent === undefined ? Number(value.trim() === '' ? Number.NaN : value) : Number(percent) / 100;
  if (!(number >= 0 && number <= 1)) {
    throw new FastvError('invalid-option', `${JSON.stringify(value)} is no share from 0 to 1`, {
      where: option,
      hint: 'write 0.5 or 50% to drop half of the image tokens',
    });
  }
  return number;
}

/** Adds one `K:R` to the stages given so far. */
export function collectStage(value: string, stages: readonly Stage[] = []): Stage[] {
  const [layer, ratio, ...rest] = value.split(':');
  if (layer === undefined || ratio === undefined || rest.length > 0) {
    throw new FastvError('invalid-option', `${JSON.stringify(value)} is no stage`, {
      where: '--stage',
      hint: 'write K:R, for example --stage 2:0.5 --stage 8:0.5',
    });
  }
  return [...stages, { layer: wholeNumber('--stage', layer), ratio: share('--stage', ratio) }];
}

/**
 * The stages of `--layer` and `--ratio`, or of `--stage`; not both.
 * @returns ascending in K
 */
export function stagesOf(flags: { layer?: number; ratio?: number; stage?: readonly Stage[] }): Stage[] {
  const { layer, ratio, stage } = flags;
  if (stage !== undefined) {
    if (layer !== undefined || ratio !== undefined) {
      throw new FastvError('invalid-option', '--stage says what --layer and --ratio say', {
        where: '--stage',
        hint: 'use either',
      });
    }
    return [...stage].sort((a, b) => a.layer - b.layer);
  }
  if (layer === undefined || ratio === undefined) {
    throw new FastvError('invalid-option', 'where to prune and how much is not given', {
      where: layer === undefined ? '--layer' : '--ratio',
      hint: "FastV's own choice is --layer 2 --ratio 0.5",
    });
  }
  return [{ layer, ratio }];
}
