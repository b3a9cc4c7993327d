/** `fastv batch`: a file of requests, answered here or by the workers of a queue. */
import { Command, Option } from 'commander';
import type { BatchFlags } from '../actions/batch.js';
import {
  addOptions,
  addOutput,
  addOutputOptions,
  askingOptions,
  modelOption,
  networkOption,
} from '../options/option.js';
import { addMethodOptions } from '../options/strategy.js';
import { wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function batchCommand(terminal: Terminal): Command {
  const command = new Command('batch').argument(
    '<requests>',
    'a JSONL file in the form of OpenAI’s batches: custom_id, method, url, body',
  );
  addOptions(command, [
    modelOption(),
    ...askingOptions(),
    new Option('--media-root <folder>', 'the folder of file: URLs'),
    new Option('--concurrency <n>', 'requests that are answered at once')
      .argParser(wholeNumber('--concurrency', 1, 256))
      .default(8),
    new Option('--queue <url>', 'let the workers of this queue answer: redis://host:port (fastv worker)'),
    networkOption('models and the pictures of requests, from public addresses,'),
  ]);
  addMethodOptions(command);
  command.action(async (requests: string, flags: BatchFlags) => {
    const { batch } = await import('../actions/batch.js');
    await batch(requests, flags, terminal, command);
  });
  addOutput(command, {
    placeholder: 'file',
    about: 'where answers go; a batch that was ended goes on there',
  });
  return addOutputOptions(command).addHelpText(
    'after',
    '\nRequests that could not be answered are in <file>.errors.jsonl, and asked again by the same command.',
  );
}
