/** `fastv bench`: what pruning gains on a decoder file, on this machine. */
import { Command, Option } from 'commander';
import { DEVICES } from '../../bench/devices.js';
import type { BenchFlags } from '../actions/bench.js';
import { addOutputOptions, layerOption } from '../options/option.js';
import { listOf } from '../parse/list.js';
import { wholeNumber } from '../parse/number.js';
import { share } from '../parse/share.js';
import type { Terminal } from '../terminal.js';

/** The command, to be added to the program. */
export function benchCommand(terminal: Terminal): Command {
  const number = (option: string, description: string, least: number, otherwise: number): Option =>
    new Option(`${option} <n>`, description).argParser(wholeNumber(option, least)).default(otherwise);
  const command = new Command('bench')
    .argument('<decoder.onnx>', 'the decoder (decoder_model_merged.onnx in most exports)')
    .addOption(layerOption().default(2))
    .option(
      '-r, --ratio <list>',
      'values of R: shares of the image tokens to drop',
      listOf('--ratio', 'shares', share('--ratio')),
      [0, 0.5, 0.75],
    )
    .addOption(number('--image-tokens', 'image tokens of the prefill', 1, 576))
    .addOption(number('--text-tokens', 'all other tokens', 1, 64))
    .addOption(number('--rounds', 'timed runs of each variant, after one to warm up', 1, 5))
    .addOption(number('--decode-rounds', 'timed decoding steps of each variant', 0, 0))
    .option('--tail', 'in the rewritten decoder, only the last token goes on after the last attention')
    .addOption(new Option('--device <device>', 'where to run').choices(DEVICES).default('cpu'))
    .option('--profile', "ONNX Runtime's profile too: time by operator, and what runs on which device")
    .action(async (file: string, flags: BenchFlags) => {
      const { bench } = await import('../actions/bench.js');
      await bench(file, flags, terminal);
    });
  return addOutputOptions(command);
}
