/** `fastv analyze`: where a model's attention goes, layer by layer. */
import { Command, Option } from 'commander';
import type { AnalyzeFlags } from '../actions/analyze.js';
import {
  addOptions,
  addOutputOptions,
  dataOptions,
  dtypeOption,
  modelOption,
  networkOption,
  addOutput,
  taskFileOption,
  tasksOption,
} from '../options/option.js';
import { wholeNumber } from '../parse/number.js';
import { share } from '../parse/share.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function analyzeCommand(terminal: Terminal): Command {
  const command = new Command('analyze');
  addOptions(command, [
    modelOption(),
    dtypeOption(),
    tasksOption('tasks and groups, with commas between (default: scenes)'),
    taskFileOption(),
    new Option('--limit <n>', 'samples of each task').argParser(wholeNumber('--limit', 1)).default(20),
    new Option('-r, --ratio <R>', 'R of the tokens that would be dropped, whose places are measured')
      .argParser(share('--ratio'))
      .default(0.5),
    ...dataOptions(),
    networkOption('models and datasets'),
  ]);
  addOutput(command, { placeholder: 'folder', about: 'where allocation.json and the plots go' });
  return addOutputOptions(command).action(async (flags: AnalyzeFlags) => {
    const { analyze } = await import('../actions/analyze.js');
    await analyze(flags, terminal, command);
  });
}
