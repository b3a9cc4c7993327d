/**
 * The options that several commands have, each made in one place, so that a name means the same everywhere
 * (docs/cli.md, "One vocabulary").
 */
import { Option, type Command } from 'commander';
import { defaultModel } from '../default-model.js';
import { names } from '../parse/list.js';
import { wholeNumber } from '../parse/number.js';
import { share } from '../parse/share.js';
import { oneOf } from '../parse/one-of.js';

/** Data types that Transformers.js 4.3 knows. */
export const DTYPES = [
  ...['auto', 'fp32', 'fp16', 'q8', 'int8', 'uint8', 'q4', 'bnb4', 'q4f16'],
  ...['q2', 'q2f16', 'q1', 'q1f16'],
] as const;

/** Devices that Transformers.js 4.3 knows in Node. */
const MODEL_DEVICES = ['cpu', 'webgpu', 'cuda', 'dml', 'coreml', 'gpu', 'auto'] as const;

/** More threads than this are a slip of the keyboard. */
const MOST_THREADS = 1024;

/** How {@link addOutput} describes a command's output. */
export interface OutputOption {
  readonly placeholder: 'file' | 'folder';
  readonly about: string;
  /** Default: there is none, and the option is needed. */
  readonly otherwise?: string;
}

/** Adds `-o, --output`; `--out` is its older name. */
export function addOutput(command: Command, { placeholder, about, otherwise }: OutputOption): Command {
  const option = new Option(`-o, --output <${placeholder}>`, about);
  command.addOption(otherwise === undefined ? option.makeOptionMandatory() : option.default(otherwise));
  command.addOption(new Option(`--out <${placeholder}>`).hideHelp());
  return command.on('option:out', (path: string) => {
    command.setOptionValueWithSource('output', path, 'cli');
  });
}

/** `-k, --layer`. */
export function layerOption(): Option {
  return new Option('-k, --layer <K>', 'layers 0…K−1 see every token').argParser(wholeNumber('--layer'));
}

/** `-r, --ratio`. */
export function ratioOption(): Option {
  return new Option('-r, --ratio <R>', 'share of the image tokens to drop: 0.5 or 50%').argParser(
    share('--ratio'),
  );
}

/** `--budget`. */
export function budgetOption(): Option {
  return new Option('--budget <n>', 'image tokens to keep, in place of --ratio')
    .argParser(wholeNumber('--budget'))
    .conflicts('ratio');
}

/** `--mass`. */
export function massOption(): Option {
  return new Option(
    '--mass <share>',
    'keep as many image tokens as hold this share of the attention to them, in place of --ratio',
  )
    .argParser(share('--mass'))
    .conflicts(['ratio', 'budget']);
}

/** `--seed`. */
export function seedOption(): Option {
  return new Option('--seed <n>', 'seed of a strategy that draws (random; default: 0)').argParser(
    wholeNumber('--seed'),
  );
}

/** `--model`. */
export function modelOption(): Option {
  const option = new Option(
    '--model <name|path>',
    'a name on the Hugging Face hub, or a folder (default: FASTV_MODEL, else the bundled model)',
  );
  const model = defaultModel();
  return model === undefined ? option : option.default(model);
}

/** `--dtype`. */
export function dtypeOption(
  description = 'fp32, fp16, q8, q4, … as the model has them (default: fp32)',
): Option {
  return new Option('--dtype <dtype>', description).argParser(oneOf('--dtype', 'dtype', DTYPES));
}

/** `--device`. */
export function deviceOption(): Option {
  return new Option('--device <device>', `${MODEL_DEVICES.join(', ')} (default: cpu)`).argParser(
    oneOf('--device', 'device', MODEL_DEVICES),
  );
}

/** `--threads`. */
export function threadsOption(
  description = 'threads of the processor: 1 for as many parts at once as there are cores (default: one a core)',
): Option {
  return new Option('--threads <n>', description).argParser(wholeNumber('--threads', 1, MOST_THREADS));
}

/** `--allow-network`. */
export function networkOption(what: string): Option {
  return new Option('--allow-network', `let ${what} be fetched`);
}

/** `--tasks`. */
export function tasksOption(description: string): Option {
  return new Option('--tasks <names>', description).argParser(names('--tasks'));
}

/** `--task-file`. */
export function taskFileOption(): Option {
  return new Option('--task-file <files...>', 'tasks of your own, as JSON');
}

/** `--data` and `--images`. */
export function metricModuleOption(): Option {
  return new Option(
    '--metric-module <files...>',
    'JavaScript modules with metrics of your own (docs/laboratory.md), which are run',
  );
}

export function dataOptions(): readonly Option[] {
  return [
    new Option('--data <folders...>', 'folders with datasets, as <owner>/<name> or by themselves'),
    new Option('--images <folder>', 'where paths of images and names of videos begin'),
  ];
}

/** Adds `--json` and `--quiet`, which every command has. */
export function addOutputOptions(command: Command): Command {
  return command
    .option('--json', 'print the result as one JSON document')
    .option('-q, --quiet', 'print the result only: no notes, no progress');
}

/** Adds several options. */
export function addOptions(command: Command, options: readonly Option[]): Command {
  for (const option of options) command.addOption(option);
  return command;
}

/** How a model is pruned and loaded, for every command that asks one. */
export function askingOptions(): Option[] {
  return [
    layerOption().default(2),
    ratioOption(),
    budgetOption(),
    seedOption(),
    dtypeOption(),
    deviceOption(),
  ];
}
