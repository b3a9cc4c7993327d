/** `fastv worker`: answers the questions of a queue. */
import { Command, Option } from 'commander';
import { addOptions, addOutputOptions, dataOptions, networkOption } from '../options/option.js';
import { wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv worker`. */
export interface WorkerFlags {
  readonly queue: string;
  readonly data?: readonly string[];
  readonly images?: string;
  readonly allowNetwork?: boolean;
  readonly lostAfter: number;
  readonly dashboard?: number;
}

/** The command, to be added to the program. */
export function workerCommand(terminal: Terminal): Command {
  const command = new Command('worker')
    .addOption(new Option('--queue <url>', 'redis://host:port').makeOptionMandatory())
    .addOption(
      new Option('--lost-after <seconds>', 'without a heartbeat for so long, a worker counts as lost')
        .argParser(wholeNumber('--lost-after', 1))
        .default(15),
    )
    .addOption(
      new Option('--dashboard <port>', 'show the queue as a web page on this machine').argParser(
        wholeNumber('--dashboard', 1),
      ),
    )
    .action(async (flags: WorkerFlags) => {
      const { worker } = await import('../actions/worker.js');
      await worker(flags, terminal);
    });
  addOptions(command, [...dataOptions(), networkOption('models and datasets')]);
  return addOutputOptions(command);
}
