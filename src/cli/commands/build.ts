/** `fastv build`: a Hugging Face checkpoint into a model that Transformers.js loads. */
import { existsSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { BuildFlags } from '../actions/build.js';
import { addOptions, addOutput, addOutputOptions, networkOption } from '../options/option.js';
import { refuseIdle } from '../parse/idle.js';
import { partDtypes } from '../parse/part-dtypes.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function buildCommand(terminal: Terminal): Command {
  const command = new Command('build').argument(
    '<checkpoint>',
    'a folder with config.json and safetensors, or a name on the Hugging Face hub',
  );
  addOptions(command, [
    new Option(
      '--dtype <dtypes>',
      'fp32, fp16, q8, q4 or q4f16; for parts of their own: vision_encoder=fp16,decoder_model_merged=q4 (default: fp32)',
    ).argParser(partDtypes),
    new Option(
      '--interpolate-positions',
      "take pictures of other sizes too, CLIP's learned positions interpolated (LLaVA)",
    ),
    new Option('--adapter <folder>', 'a LoRA adapter of PEFT to merge into the weights'),
    new Option(
      '--check',
      'run one prompt through the built parts, and list what quantisation lost of each weight',
    ),
    new Option('--revision <name>', 'a branch, tag or commit on the hub').default('main'),
    networkOption('the checkpoint'),
  ]);
  addOutput(command, { placeholder: 'folder', about: 'the folder to make' });
  return addOutputOptions(command).action(async (checkpoint: string, flags: BuildFlags) => {
    if (existsSync(checkpoint))
      refuseIdle(
        command,
        '--revision',
        'the checkpoint is a folder',
        'leave it out, or name a model of the hub',
      );
    const { build } = await import('../actions/build.js');
    await build(checkpoint, flags, terminal);
  });
}
