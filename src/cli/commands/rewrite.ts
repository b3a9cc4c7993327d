/** `fastv rewrite`: a decoder file in, a decoder file that runs FastV out. */
import { Command, Option } from 'commander';
import type { RewriteFlags } from '../actions/rewrite.js';
import { addOptions, addOutput, addOutputOptions, layerOption } from '../options/option.js';
import { standingOptions } from '../options/strategy.js';
import { refuseIdle } from '../parse/idle.js';
import { collectStage } from '../parse/stage.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function rewriteCommand(terminal: Terminal): Command {
  const choice = (flags: string, description: string, choices: readonly [string, ...string[]]): Option =>
    new Option(flags, description).choices(choices).default(choices[0]);
  const command = new Command('rewrite')
    .argument('<in.onnx>', 'the decoder (decoder_model_merged.onnx in most exports)')
    .addOption(layerOption())
    .option('--stage <K:R>', 'one of several pruning stages, with its usual R; repeat it', collectStage)
    .option(
      '--strategy <name>',
      'how image tokens are ranked: fastv strategies lists them (default: attention)',
    )
    .addOption(
      new Option(
        '--per-image <how>',
        'shares for the images of a row: even, or by the attention paid to them',
      ).choices(['even', 'attention']),
    )
    .option('--mass', 'budgets by attention: adds the input attention_mass (docs/graph-contract.md)')
    .option('--segments', 'let the caller tell images apart: adds the input image_token_segments')
    .addOption(choice('--mode <mode>', 'drop the tokens, or only mask them (to compare)', ['drop', 'mask']))
    .addOption(
      choice(
        '--tail <tokens>',
        'tokens that go on after the last attention: only those whose logits are used, all, or the former where it is exact',
        ['exact', 'last', 'all'],
      ),
    )
    .option(
      '--no-early-queries',
      'compute the queries of all tokens at layer K-1, not of the kept ones only (to compare; the result is the same)',
    )
    .option('--web', 'for ONNX Runtime Web, which has no float64: quotas are counted in integers')
    .option('--copy-data', 'copy external weights instead of linking them')
    .action(async (input: string, flags: RewriteFlags) => {
      if (flags.mode === 'mask')
        refuseIdle(command, '--no-early-queries', 'masking keeps every token', 'leave it out');
      const { rewrite } = await import('../actions/rewrite.js');
      await rewrite(input, flags, terminal);
    });
  addOptions(command, standingOptions());
  addOutput(command, {
    placeholder: 'file',
    about: 'where to write; weights in other files are linked, not copied',
  });
  return addOutputOptions(command);
}
