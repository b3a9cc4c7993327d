/** `fastv worker`: answers the questions of a queue. */
import { Command, Option } from 'commander';
import type { WorkerFlags } from '../actions/worker.js';
import {
  addOptions,
  addOutputOptions,
  dataOptions,
  networkOption,
  threadsOption,
} from '../options/option.js';
import { PORTS, wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

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
        wholeNumber('--dashboard', 1, PORTS),
      ),
    )
    .action(async (flags: WorkerFlags) => {
      const { worker } = await import('../actions/worker.js');
      await worker(flags, terminal);
    });
  addOptions(command, [
    ...dataOptions(),
    threadsOption('threads of the processor for an evaluation (default: one a core)'),
    networkOption('models and datasets'),
  ]);
  return addOutputOptions(command);
}
