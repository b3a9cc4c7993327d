/** `fastv demo`: what FastV does, in under a minute, without a download. */
import { Command, InvalidArgumentError } from 'commander';
import type { DemoFlags } from './demo-action.js';
import { positive, share } from './options.js';

/** The command, to be added to the program. */
export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'original against FastV on bundled pictures, with an HTML report; no download, under a minute',
    )
    .option('--out <file>', 'where to write the report', 'fastv-demo.html')
    .option('--ratios <list>', 'the shares of image tokens to drop, after layer 2', ratios, [0.5, 0.75, 0.9])
    .option('--repeat <n>', 'timed runs of each, of which the median is taken', positive, 3)
    .option('--dtype <dtype>', 'fp32 or q8')
    .option('--json', 'print the results as JSON')
    .action(async (flags: DemoFlags) => {
      const { demo } = await import('./demo-action.js');
      await demo(flags);
    });
}

function ratios(value: string): number[] {
  const list = value.split(',').map(share);
  if (list.length > 8) throw new InvalidArgumentError('at most 8 ratios');
  return list;
}
