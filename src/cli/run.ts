/** `fastv run`: one question about images. */
import { Command } from 'commander';
import { addModelOptions, positive } from './options.js';
import type { RunFlags } from './run-action.js';

/** The command, to be added to the program. */
export function runCommand(): Command {
  const command = new Command('run')
    .description('ask a question about images, pruning image tokens on the way')
    .argument('[input...]', 'images (files, folders of frames, videos, -, URLs), then the question')
    .option('--compare', 'run the original and the pruned model, and print both')
    .option('--repeat <n>', 'with --compare: timed runs of each, of which the median is printed', positive, 3)
    .option('--overlay <file>', 'write a PNG of the kept image patches over the picture')
    .action(async (inputs: readonly string[], flags: RunFlags) => {
      const { run } = await import('./run-action.js');
      await run(inputs, flags);
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
