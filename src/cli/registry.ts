/**
 * The commands. A command's module is imported when the command is used, and its action's module when it runs, so that
 * nobody waits for what they did not ask for.
 *
 * To add a command: `commands/<name>.ts` (its options), `actions/<name>.ts` (what it does), and a line here.
 */
import { Command } from 'commander';
import { version } from '../version.js';
import type { Terminal } from './terminal.js';

/** Makes a command with its options; its action imports what it needs. */
export type MakeCommand = (terminal: Terminal) => Command;

/** A command as the list knows it. */
export interface Entry {
  readonly name: string;
  /** What it does, in one line. */
  readonly about: string;
  readonly load: () => Promise<MakeCommand>;
}

/** Every command, in the order of `fastv --help`. */
export const COMMANDS: readonly Entry[] = [
  {
    name: 'run',
    about: 'ask a question about images, pruning image tokens on the way',
    load: async () => (await import('./commands/run.js')).runCommand,
  },
  {
    name: 'chat',
    about: 'talk about images over several turns, on one KV cache',
    load: async () => (await import('./commands/chat.js')).chatCommand,
  },
  {
    name: 'serve',
    about: 'answer questions about images over HTTP, as OpenAI’s API does',
    load: async () => (await import('./commands/serve.js')).serveCommand,
  },
  {
    name: 'batch',
    about: 'answer a file of requests in the form of OpenAI’s batches, here or over a queue',
    load: async () => (await import('./commands/batch.js')).batchCommand,
  },
  {
    name: 'demo',
    about: 'original against FastV on bundled pictures, with an HTML report; no download, under a minute',
    load: async () => (await import('./commands/demo.js')).demoCommand,
  },
  {
    name: 'rewrite',
    about: 'rewrite an ONNX decoder so that it prunes image tokens after layer K',
    load: async () => (await import('./commands/rewrite.js')).rewriteCommand,
  },
  {
    name: 'inspect',
    about: 'show the layers of an ONNX decoder, its weights, and where a cut would fall or why it cannot',
    load: async () => (await import('./commands/inspect.js')).inspectCommand,
  },
  {
    name: 'cost',
    about: 'FLOPs and KV-cache bytes of a decoder, before and after pruning',
    load: async () => (await import('./commands/cost.js')).costCommand,
  },
  {
    name: 'bench',
    about: 'measure what pruning gains on a decoder: the original against the rewritten one, in turns',
    load: async () => (await import('./commands/bench.js')).benchCommand,
  },
  {
    name: 'build',
    about: 'build a model that Transformers.js loads from a Hugging Face checkpoint',
    load: async () => (await import('./commands/build.js')).buildCommand,
  },
  {
    name: 'quantize',
    about:
      'quantise a decoder: fp32, fp16 or bf16 weights to int8 or int4; uint8 weights to int8 without loss',
    load: async () => (await import('./commands/quantize.js')).quantizeCommand,
  },
  {
    name: 'scenes',
    about: 'write a split of the synthetic scene benchmark: JSON lines, PNGs and a contact sheet',
    load: async () => (await import('./commands/scenes.js')).scenesCommand,
  },
  {
    name: 'eval',
    about: 'score a model on tasks with pruning, and beside it without',
    load: async () => (await import('./commands/eval.js')).evalCommand,
  },
  {
    name: 'sweep',
    about: 'score a model over a grid of K, R and strategies, beside the baselines',
    load: async () => (await import('./commands/sweep.js')).sweepCommand,
  },
  {
    name: 'compare',
    about: 'runs side by side, paired by sample: a table, Markdown, CSV or LaTeX',
    load: async () => (await import('./commands/compare.js')).compareCommand,
  },
  {
    name: 'worker',
    about: 'answer the questions of a queue, on any number of machines (--queue of eval and sweep)',
    load: async () => (await import('./commands/worker.js')).workerCommand,
  },
  {
    name: 'merge',
    about: 'put the parts of a run together (--shard of eval and sweep)',
    load: async () => (await import('./commands/merge.js')).mergeCommand,
  },
  {
    name: 'report',
    about: 'write the report of an evaluation or a sweep: one HTML file, and plots as SVG and PNG',
    load: async () => (await import('./commands/report.js')).reportCommand,
  },
  {
    name: 'analyze',
    about: 'measure what share of attention the image gets in every layer, averaged over answers',
    load: async () => (await import('./commands/analyze.js')).analyzeCommand,
  },
  {
    name: 'models',
    about: 'models on the hub that fastv prunes',
    load: async () => (await import('./commands/models.js')).modelsCommand,
  },
  {
    name: 'pull',
    about: "fetch a model from the hub into Transformers.js's cache, with checksums",
    load: async () => (await import('./commands/pull.js')).pullCommand,
  },
  {
    name: 'tasks',
    about: 'the tasks and groups that --tasks takes',
    load: async () => (await import('./commands/tasks.js')).tasksCommand,
  },
  {
    name: 'strategies',
    about: 'the strategies that --strategy takes',
    load: async () => (await import('./commands/strategies.js')).strategiesCommand,
  },
  {
    name: 'doctor',
    about: 'what is installed here, what the processor is good for, and what is kept on disk',
    load: async () => (await import('./commands/doctor.js')).doctorCommand,
  },
  {
    name: 'completion',
    about: 'a script that completes commands and options in bash, zsh or fish',
    load: async () => {
      const { completionCommand } = await import('./commands/completion.js');
      return (terminal) => completionCommand(terminal, () => loadCommands(terminal));
    },
  },
];

/** The command of that name, with its options. */
export async function loadCommand(entry: Entry, terminal: Terminal): Promise<Command> {
  const make = await entry.load();
  return make(terminal).description(entry.about);
}

/** Every command, with its options. */
export async function loadCommands(terminal: Terminal): Promise<readonly Command[]> {
  return Promise.all(COMMANDS.map((entry) => loadCommand(entry, terminal)));
}

/**
 * The whole program: names and descriptions of all commands.
 * @param loaded commands that stand in their own name's place, with their options
 */
export function program(loaded: readonly Command[] = []): Command {
  const root = new Command('fastv')
    .description('FastV for ONNX: prune image tokens inside vision-language models')
    .version(version);
  for (const { name, about } of COMMANDS) {
    root.addCommand(
      loaded.find((command) => command.name() === name) ?? new Command(name).description(about),
    );
  }
  return root;
}
