/** `fastv quantize`: a decoder with fast weights, int8 or int4, and on demand what that does to the model's answers. */
import { Command, Option } from 'commander';
import type { QuantizeFlags } from '../actions/quantize.js';
import {
  addOptions,
  addOutput,
  addOutputOptions,
  dataOptions,
  dtypeOption,
  networkOption,
  taskFileOption,
} from '../options/option.js';
import { refuseIdle } from '../parse/idle.js';
import { names } from '../parse/list.js';
import { wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

/** Options that say something only with --evaluate. */
const EVALUATION = ['--task-file', '--limit', '--dtype', '--data', '--images', '--allow-network'];

/** The command, to be added to the program. */
export function quantizeCommand(terminal: Terminal): Command {
  const command = new Command('quantize')
    .argument('<decoder>', 'the decoder to read')
    .addOption(
      new Option(
        '--type <type>',
        'what weights become; auto: what is exact and fast on this machine (int8, or uint8 where int8 kernels saturate); int8-portable: 7 bits, exact on every processor',
      )
        .choices(['int8', 'auto', 'int8-portable', 'uint8', 'int4'])
        .default('int8'),
    )
    .option('--block <n>', 'int4: weights that share a scale (default: 32)', wholeNumber('--block'))
    .option('--exclude <names...>', 'leave layers alone whose name contains one of these, e.g. lm_head')
    .option(
      '--evaluate [tasks]',
      "score the decoder's model before and after, on tasks with commas between (default: scenes)",
      names('--evaluate'),
    )
    .option(
      '--limit <n>',
      'with --evaluate: questions of each task at most (default: 20)',
      wholeNumber('--limit', 1),
    );
  addOptions(command, [
    dtypeOption("with --evaluate: dtype of the model's other parts (default: fp32)"),
    taskFileOption(),
    ...dataOptions(),
    networkOption('datasets'),
  ]);
  addOutput(command, {
    placeholder: 'file',
    about: 'the decoder to write; one file if the other is, else its weights go to <file>_data',
  });
  return addOutputOptions(command).action(async (decoder: string, flags: QuantizeFlags) => {
    if (flags.type !== 'int4')
      refuseIdle(command, '--block', 'a scale of int8 belongs to a whole channel', 'add --type int4');
    for (const option of flags.evaluate === undefined ? EVALUATION : []) {
      refuseIdle(
        command,
        option,
        'this option belongs to an evaluation, and there is none',
        'add --evaluate',
      );
    }
    const { quantize } = await import('../actions/quantize.js');
    await quantize(decoder, flags, terminal, command);
  });
}
