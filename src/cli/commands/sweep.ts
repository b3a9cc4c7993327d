/** `fastv sweep`: a grid over K, R, strategy and seeds with its baselines, or a ready-made recipe. */
import { Command, Option } from 'commander';
import { RECIPES } from '../../eval/recipes/index.js';
import { parseMethod, presetNames, strategies } from '../../strategies/index.js';
import type { SweepFlags } from '../actions/sweep.js';
import { addEvalOptions } from '../options/evaluation.js';
import { listOf } from '../parse/list.js';
import { wholeNumber } from '../parse/number.js';
import { oneOf } from '../parse/one-of.js';
import { share } from '../parse/share.js';
import type { Terminal } from '../terminal.js';

const STRATEGIES = strategies.map(({ name }) => name);

/** The command, to be added to the program. */
export function sweepCommand(terminal: Terminal): Command {
  const numbers = (option: string): ((value: string) => readonly number[]) =>
    listOf(option, 'numbers', wholeNumber(option));
  const command = new Command('sweep')
    .addOption(new Option('--recipe <name>', 'a ready-made sweep').choices([...RECIPES.keys()]))
    .option('--layers <ks>', 'K, with commas between', numbers('--layers'))
    .option('--ratios <rs>', 'R, with commas between', listOf('--ratios', 'shares', share('--ratios')))
    .option('--budgets <ns>', 'image tokens to keep, with commas between', numbers('--budgets'))
    .option('--mean-tokens <ns>', 'image tokens that a layer sees on average', numbers('--mean-tokens'))
    .option(
      '--masses <shares>',
      'shares of the attention to image tokens that kept ones hold',
      listOf('--masses', 'shares', share('--masses')),
    )
    .option(
      '--strategies <names>',
      `of ${STRATEGIES.join(', ')}; with +sizes or +sizes+mean, +even-images or +attended-images, or a preset: ${presetNames.join(', ')}`,
      listOf('--strategies', 'names', (name) => parseMethod(name)),
    )
    .option('--seeds <ns>', 'of the random baseline, three or more', numbers('--seeds'))
    .option(
      '--baseline-layers <ks>',
      'K at which the baselines are run (default: every K)',
      numbers('--baseline-layers'),
    )
    .addOption(
      new Option(
        '--same-flops <of>',
        "of --image-sizes, prune the others to what the first costs: the decoder's FLOPs, or those of both",
      ).argParser(
        listOf('--same-flops', 'names', oneOf('--same-flops', 'whose FLOPs', ['decoder', 'total'] as const)),
      ),
    )
    .option('-y, --yes', 'do not ask whether to go on, however long it may take')
    .option('--no-downsample', 'leave images scaled down to as few tokens out')
    .addHelpText(
      'after',
      `\nRecipes:\n${[...RECIPES.values()].map((r) => `  ${r.name.padEnd(20)} ${r.about}`).join('\n')}`,
    )
    .action(async (flags: SweepFlags) => {
      const { sweep } = await import('../actions/sweep.js');
      await sweep(flags, terminal, command);
    });
  return addEvalOptions(command);
}
