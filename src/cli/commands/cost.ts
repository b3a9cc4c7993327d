/** `fastv cost`: what pruning saves of a decoder, by the paper's formula and exactly. */
import { Command, Option } from 'commander';
import { KNOWN_MODELS } from '../../cost/models.js';
import type { CostFlags } from '../actions/cost.js';
import { addOutputOptions, layerOption, ratioOption } from '../options/option.js';
import { refuseIdle } from '../parse/idle.js';
import { wholeNumber } from '../parse/number.js';
import { collectStage } from '../parse/stage.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function costCommand(terminal: Terminal): Command {
  const number = (option: string, description: string): Option =>
    new Option(`${option} <n>`, description).argParser(wholeNumber(option));
  const choice = (flags: string, description: string, choices: readonly [string, ...string[]]): Option =>
    new Option(flags, description).choices(choices).default(choices[0]);
  const command = new Command('cost')
    .option('--model <name>', `a known model: ${KNOWN_MODELS.map((model) => model.name).join(', ')}`)
    .option('--decoder <file>', 'or a decoder file, whose shape is read')
    .addOption(layerOption())
    .addOption(ratioOption())
    .option('--stage <K:R>', 'in place of --layer and --ratio; repeat it for several stages', collectStage)
    .addOption(number('--image-tokens', 'image tokens in all (default: those of one image)'))
    .addOption(number('--images', 'number of images, where a model fixes the tokens of one').default(1))
    .addOption(number('--text-tokens', 'all other tokens').default(36))
    .addOption(number('--generated', 'tokens generated so far, for KV bytes and decoding').default(0))
    .addOption(
      choice(
        '--cut <where>',
        'where dropped tokens leave: after the attention, before its queries, between layers',
        ['attention', 'queries', 'boundary'],
      ),
    )
    .addOption(choice('--lm-head <rows>', 'tokens that meet the LM head', ['last', 'all', 'none']))
    .addOption(choice('--tail <tokens>', 'tokens that go on after the last attention', ['all', 'last']))
    .addOption(
      choice('--attention <pairs>', 'count every query-key pair, or those the mask allows', [
        'dense',
        'causal',
      ]),
    )
    .action(async (flags: CostFlags) => {
      if (flags.imageTokens !== undefined)
        refuseIdle(command, '--images', 'all image tokens are given already', 'leave --image-tokens out');
      const { cost } = await import('../actions/cost.js');
      await cost(flags, terminal);
    });
  return addOutputOptions(command);
}
