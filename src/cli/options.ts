/** Options that the commands which run a model have in common. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { DEFAULT_STRATEGY, strategies, type StrategyName } from '../strategies/index.js';

/** The flags of {@link addModelOptions}. */
export interface ModelFlags {
  readonly model?: string;
  readonly layer: number;
  readonly ratio?: number;
  readonly budget?: number;
  readonly strategy: StrategyName;
  readonly seed?: number;
  readonly dtype?: string;
  readonly device?: string;
  readonly maxNewTokens: number;
  readonly frames: number;
  readonly allowNetwork?: boolean;
  readonly json?: boolean;
}

/** Adds the options of every command that runs a model. */
export function addModelOptions(command: Command): Command {
  return command
    .option(
      '--model <name|path>',
      'a name on the Hugging Face hub, or a folder (default: the embedded model)',
    )
    .option('--layer <k>', 'K: the layer from which on only kept tokens are seen', natural, 2)
    .addOption(
      new Option('--ratio <r>', 'R: the share of image tokens to drop (default: 0.5)').argParser(share),
    )
    .addOption(
      new Option('--budget <n>', 'image tokens to keep, in place of --ratio')
        .argParser(natural)
        .conflicts('ratio'),
    )
    .addOption(
      new Option('--strategy <strategy>', 'how image tokens are ranked')
        .choices(strategies.map(({ name }) => name))
        .default(DEFAULT_STRATEGY),
    )
    .option('--seed <n>', 'seed of a strategy that draws (random)', natural)
    .option('--dtype <dtype>', 'fp32, fp16, q8, q4, … as the model has them')
    .option('--device <device>', 'cpu, webgpu, cuda, … (default: cpu)')
    .option('--max-new-tokens <n>', 'the longest answer', positive, 128)
    .option('--frames <n>', 'frames to take of a video', positive, 8)
    .option('--allow-network', 'let models and images be fetched')
    .option('--json', 'print the result as JSON');
}

export function natural(value: string): number {
  if (!/^\d{1,9}$/u.test(value)) throw new InvalidArgumentError('a whole number, 0 or more, is needed');
  return Number(value);
}

export function positive(value: string): number {
  const n = natural(value);
  if (n === 0) throw new InvalidArgumentError('a whole number, 1 or more, is needed');
  return n;
}

export function share(value: string): number {
  const n = Number(value);
  if (value.trim() === '' || !(n >= 0 && n <= 1))
    throw new InvalidArgumentError('a number from 0 to 1 is needed');
  return n;
}
