/** `fastv bench`: what pruning gains on a decoder file, on this machine. */
import { Command, Option } from 'commander';
import { DEVICES } from '../bench/devices.js';
import { FastvError } from '../errors.js';
import type { BenchFlags } from './bench-action.js';
import { share, wholeNumber } from './stage-option.js';

/** The command, to be added to the program. */
export function benchCommand(): Command {
  return new Command('bench')
    .description('measure what pruning gains on a decoder: the original against the rewritten one, in turns')
    .argument('<decoder.onnx>', 'the decoder (decoder_model_merged.onnx in most exports)')
    .option('-k, --layer <K>', 'layers 0…K−1 see every token', number('--layer'), 2)
    .option('-r, --ratio <list>', 'values of R: shares of the image tokens to drop', ratios, [0, 0.5, 0.75])
    .option('--image-tokens <n>', 'image tokens of the prefill', number('--image-tokens'), 576)
    .option('--text-tokens <n>', 'all other tokens', number('--text-tokens'), 64)
    .option('--rounds <n>', 'timed runs of each variant, after one to warm up', atLeastOne('--rounds'), 5)
    .option('--decode-rounds <n>', 'timed decoding steps of each variant', number('--decode-rounds'), 0)
    .option('--tail', 'in the rewritten decoder, only the last token goes on after the last attention')
    .addOption(new Option('--device <device>', 'where to run').choices(DEVICES).default('cpu'))
    .option('--profile', "ONNX Runtime's profile too: time by operator, and what runs on which device")
    .option('--json', 'print everything as JSON')
    .action(async (file: string, flags: BenchFlags) => {
      const { bench } = await import('./bench-action.js');
      await bench(file, flags);
    });
}

const number = (option: string) => (value: string) => wholeNumber(option, value);

const atLeastOne = (option: string) => (value: string) => {
  const n = wholeNumber(option, value);
  if (n > 0) return n;
  throw new FastvError('invalid-option', 'at least one is needed', {
    where: option,
    hint: 'Give 1 or more.',
  });
};

function ratios(value: string): number[] {
  return [...new Set(value.split(',').map((part) => share('--ratio', part)))];
}
