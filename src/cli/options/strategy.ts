/** `--strategy` of the commands that run a model, and what the kept tokens stand for. */
import { Option, type Command } from 'commander';
import {
  DEFAULT_STRATEGY,
  findPreset,
  presetNames,
  strategies,
  type Method,
  type PerImage,
  type Standing,
  type StrategyName,
} from '../../strategies/index.js';
import { addOptions } from './option.js';

/** The flags of {@link addMethodOptions}. */
export interface MethodFlags extends Standing {
  readonly strategy?: StrategyName;
  readonly preset?: string;
  readonly perImage?: PerImage;
}

/** Adds `--strategy`, `--weights`, `--merge` and `--preset`. */
export function addMethodOptions(command: Command): Command {
  return addOptions(command, [
    new Option(
      '--strategy <strategy>',
      `how image tokens are ranked: fastv strategies says more (default: ${DEFAULT_STRATEGY})`,
    ).choices(strategies.map(({ name }) => name)),
    ...standingOptions(),
  ]);
}

/** `--weights`, `--merge` and `--preset`. */
export function standingOptions(): readonly Option[] {
  return [
    new Option('--weights <how>', 'sizes: kept tokens count for the dropped ones most like them').choices([
      'sizes',
    ]),
    new Option('--merge <how>', 'mean: kept tokens go on with the mean of those they stand for').choices([
      'mean',
    ]),
    new Option('--preset <name>', 'strategy, weights and merge by one name').choices([...presetNames]),
  ];
}

/** `--per-image`. */
export function perImageOption(): Option {
  return new Option(
    '--per-image <how>',
    'images share what is kept: each the same (even), or by the attention paid to it',
  ).choices(['even', 'attention']);
}

/** What the flags mean: the preset's parts, and in their place what is given besides. */
export function methodOf({ preset, strategy, weights, merge, perImage }: MethodFlags): Method {
  return {
    ...(preset === undefined ? { strategy: DEFAULT_STRATEGY } : findPreset(preset)),
    ...(strategy && { strategy }),
    ...(weights && { weights }),
    ...(merge && { merge }),
    ...(perImage && { perImage }),
  };
}
