/** `fastv eval`: tasks under one condition, beside the unpruned model. */
import { Command, Option } from 'commander';
import type { EvalCommandFlags } from '../actions/eval.js';
import { addEvalOptions } from '../options/evaluation.js';
import { refuseIdlePruning, refuseIdleSeed } from '../options/model.js';
import { budgetOption, layerOption, massOption, ratioOption, seedOption } from '../options/option.js';
import { refuseIdle } from '../parse/idle.js';
import { addMethodOptions, perImageOption } from '../options/strategy.js';
import { wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function evalCommand(terminal: Terminal): Command {
  const command = new Command('eval')
    .addOption(layerOption().default(2))
    .addOption(ratioOption().default(0.5))
    .addOption(budgetOption().conflicts('meanTokens'))
    .addOption(massOption().conflicts('meanTokens'))
    .addOption(perImageOption())
    .addOption(
      new Option(
        '--mean-tokens <n>',
        "image tokens that a layer sees on average, as papers' tables count them",
      )
        .argParser(wholeNumber('--mean-tokens'))
        .conflicts('ratio'),
    )
    .addOption(seedOption())
    .addOption(
      new Option(
        '--strategy-file <module>',
        'a strategy of your own: the default export of this ES module, which is run',
      ).conflicts(['strategy', 'preset', 'queue']),
    )
    .option('--no-baseline', 'do not run the unpruned model (there is no loyalty then)')
    .addHelpText('after', '\nR = 0 runs the original model only.')
    .action(async (flags: EvalCommandFlags) => {
      refuseIdlePruning(command, flags);
      refuseIdleSeed(command, flags);
      if (flags.ratio === 0)
        refuseIdle(command, '--no-baseline', 'R = 0 runs the original model only', 'give --ratio');
      const { evaluate } = await import('../actions/eval.js');
      await evaluate(flags, terminal, command);
    });
  addMethodOptions(command);
  return addEvalOptions(command);
}
