/** `fastv demo`: what FastV does, in under a minute, without a download. */
import { Command } from 'commander';
import type { DemoFlags } from '../actions/demo.js';
import { addOutput, addOutputOptions, dtypeOption } from '../options/option.js';
import { listOf } from '../parse/list.js';
import { wholeNumber } from '../parse/number.js';
import { share } from '../parse/share.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function demoCommand(terminal: Terminal): Command {
  const command = new Command('demo')
    .option(
      '--ratios <list>',
      'the shares of image tokens to drop, after layer 2',
      listOf('--ratios', 'shares', share('--ratios')),
      [0.5, 0.75, 0.9],
    )
    .option('--repeat <n>', 'timed runs of each, of which the median is taken', wholeNumber('--repeat', 1), 3)
    .addOption(dtypeOption('fp32 or q8 (default: fp32)'))
    .action(async (flags: DemoFlags) => {
      const { demo } = await import('../actions/demo.js');
      await demo(flags, terminal);
    });
  addOutput(command, {
    placeholder: 'file',
    about: 'where to write the report',
    otherwise: 'fastv-demo.html',
  });
  return addOutputOptions(command);
}
