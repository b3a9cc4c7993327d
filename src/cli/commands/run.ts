/** `fastv run`: one question about images. */
import { Command } from 'commander';
import type { RunFlags } from '../actions/run.js';
import { addModelOptions, refuseIdleKept, refuseIdlePruning, refuseIdleSeed } from '../options/model.js';
import { refuseIdle } from '../parse/idle.js';
import { wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function runCommand(terminal: Terminal): Command {
  const command = new Command('run')
    .argument('[input...]', 'images (files, folders of frames, videos, -, URLs), then the question')
    .option('--compare', 'run the original and the pruned model, and print both')
    .option(
      '--repeat <n>',
      'with --compare: timed runs of each, of which the median is printed',
      wholeNumber('--repeat', 1),
      3,
    )
    .option('--overlay <file>', 'write a PNG of the kept image patches over the picture')
    .action(async (inputs: readonly string[], flags: RunFlags) => {
      refuseIdlePruning(command, flags);
      refuseIdleSeed(command, flags);
      refuseIdleKept(command, terminal);
      if (flags.compare !== true)
        refuseIdle(command, '--repeat', 'an answer alone is not timed again', 'add --compare');
      const { run } = await import('../actions/run.js');
      await run(inputs, flags, terminal, command);
    });
  return addModelOptions(command).addHelpText(
    'after',
    `
Examples:
  fastv run photo.jpg "What is this?"
  fastv run --ratio 0.75 --overlay kept.png photo.jpg "How many dogs are there?"
  fastv run --compare first.png second.png "In which image is a cat?"
  cat photo.webp | fastv run - "What does the sign say?"`,
  );
}
