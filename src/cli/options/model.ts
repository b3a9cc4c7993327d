/** Options that the commands which ask a model have in common. */
import { Option, type Command } from 'commander';
import { findPreset, isSeeded } from '../../strategies/index.js';
import { LIMITS } from '../../media/limits.js';
import { refuseIdle } from '../parse/idle.js';
import { wholeNumber } from '../parse/number.js';
import {
  addOptions,
  addOutputOptions,
  askingOptions,
  massOption,
  modelOption,
  networkOption,
} from './option.js';
import { addMethodOptions, methodOf, perImageOption, type MethodFlags } from './strategy.js';

/** The flags of {@link addModelOptions}. */
export interface ModelFlags extends MethodFlags {
  readonly model?: string;
  readonly layer: number;
  readonly ratio?: number;
  readonly budget?: number;
  readonly mass?: number;
  readonly seed?: number;
  readonly dtype?: string;
  readonly device?: string;
  readonly maxNewTokens: number;
  readonly frames: number;
  readonly allowNetwork?: boolean;
}

/** Adds the options of every command that asks a model. */
export function addModelOptions(command: Command): Command {
  addOptions(command, [
    modelOption(),
    ...askingOptions(),
    massOption(),
    perImageOption(),
    new Option('--max-new-tokens <n>', 'the longest answer')
      .argParser(wholeNumber('--max-new-tokens', 1))
      .default(128),
    new Option('--frames <n>', 'frames to take of a video')
      .argParser(wholeNumber('--frames', 1, LIMITS.maxFrames))
      .default(LIMITS.frames),
    networkOption('models and images'),
    new Option('--kept-indices', 'with --json: the positions of all kept tokens too'),
  ]);
  addMethodOptions(command);
  return addOutputOptions(command);
}

/** @throws {FastvError} `invalid-option` if something is said of the JSON, and there is none */
export function refuseIdleKept(command: Command, { json }: { readonly json: boolean }): void {
  if (!json) refuseIdle(command, '--kept-indices', 'the positions are in the JSON only', 'add --json');
}

/** Options that say how image tokens are dropped. */
const PRUNING = [
  '--layer',
  '--strategy',
  '--seed',
  '--weights',
  '--merge',
  '--preset',
  '--per-image',
] as const;

/** @throws {FastvError} `invalid-option` if it is said how tokens are dropped, and none are: R is 0 */
export function refuseIdlePruning(
  command: Command,
  { ratio, preset }: { readonly ratio?: number; readonly preset?: string },
): void {
  if (preset !== undefined && findPreset(preset).schedule !== undefined) {
    for (const option of ['--layer', '--ratio', '--budget', '--mass', '--per-image'])
      refuseIdle(command, option, `the preset ${preset} says at which layers how much stays`, 'leave it out');
    return;
  }
  if (ratio !== 0) return;
  for (const option of PRUNING)
    refuseIdle(command, option, 'R = 0 runs the original model only', 'give --ratio, or leave it out');
}

/** @throws {FastvError} `invalid-option` if a seed is given to a strategy that draws nothing */
export function refuseIdleSeed(command: Command, flags: MethodFlags): void {
  const { strategy } = methodOf(flags);
  if (isSeeded(strategy)) return;
  refuseIdle(command, '--seed', `the strategy ${strategy} draws nothing`, 'add --strategy random');
}
