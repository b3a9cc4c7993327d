// The options that say where and how much to prune: `--layer K --ratio R`, or `--stage K:R` once a stage.
import { FastvError } from '../../errors.js';
import type { Stage } from '../../cost/stages.js';
import { wholeNumber } from './number.js';
import { refuse } from './refuse.js';
import { share } from './share.js';

/** Adds one `K:R` to the stages given so far, for commander. */
export function collectStage(value: string, stages: readonly Stage[] = []): readonly Stage[] {
  const [layer, ratio, ...rest] = value.split(':');
  if (layer === undefined || ratio === undefined || rest.length > 0) {
    throw refuse('--stage', value, 'stage', 'write K:R, for example --stage 2:0.5 --stage 8:50%');
  }
  return [...stages, { layer: wholeNumber('--stage')(layer), ratio: share('--stage')(ratio) }];
}

/**
 * The stages of `--layer` and `--ratio`, or of `--stage`; not both.
 * @returns ascending in K
 * @throws {FastvError} `invalid-option`
 */
export function stagesOf(flags: {
  layer?: number;
  ratio?: number;
  stage?: readonly Stage[];
}): readonly Stage[] {
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
