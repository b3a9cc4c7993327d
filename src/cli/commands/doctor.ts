/** `fastv doctor`: what is installed here, and what that means. */
import { Command } from 'commander';
import type { DoctorFlags } from '../actions/doctor.js';
import { addOutputOptions } from '../options/option.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function doctorCommand(terminal: Terminal): Command {
  const command = new Command('doctor')
    .option(
      '--clear',
      'remove the rewritten decoders that are kept; they are made again when they are needed',
    )
    .action(async (flags: DoctorFlags) => {
      const { doctor } = await import('../actions/doctor.js');
      await doctor(flags, terminal);
    });
  return addOutputOptions(command);
}
