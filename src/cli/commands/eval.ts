/** `fastv eval`: tasks under one condition, beside the unpruned model. */
import { Command } from 'commander';
import type { EvalCommandFlags } from '../actions/eval.js';
import { addEvalOptions } from '../options/evaluation.js';
import { refuseIdleSeed } from '../options/model.js';
import { layerOption, ratioOption, seedOption } from '../options/option.js';
import { addMethodOptions } from '../options/strategy.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function evalCommand(terminal: Terminal): Command {
  const command = new Command('eval')
    .addOption(layerOption().default(2))
    .addOption(ratioOption().default(0.5))
    .addOption(seedOption())
    .option('--no-baseline', 'do not run the unpruned model (there is no loyalty then)')
    .addHelpText('after', '\nR = 0 runs the original model only.')
    .action(async (flags: EvalCommandFlags) => {
      refuseIdleSeed(command, flags);
      const { evaluate } = await import('../actions/eval.js');
      await evaluate(flags, terminal);
    });
  addMethodOptions(command);
  return addEvalOptions(command);
}
