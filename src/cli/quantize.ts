/** `fastv quantize`: a decoder with fast weights, int8 or int4. */
import { Command, Option } from 'commander';
import { quantizeFile, type QuantizedFile } from '../quantize/files.js';
import { QUANTIZED_TYPES, type QuantizedType } from '../quantize/quantize.js';
import { wholeNumber } from './stage-option.js';

interface Flags {
  readonly output: string;
  readonly type: QuantizedType;
  readonly block: number;
  readonly exclude?: readonly string[];
  readonly json?: boolean;
}

/** The command, to be added to the program. */
export function quantizeCommand(): Command {
  return new Command('quantize')
    .description(
      'quantise a decoder: fp32, fp16 or bf16 weights to int8 or int4; uint8 weights to int8 without loss',
    )
    .argument('<decoder>', 'the decoder to read')
    .requiredOption(
      '-o, --output <file>',
      'the decoder to write; one file if the other is, else its weights go to <file>_data',
    )
    .addOption(new Option('--type <type>', 'what weights become').choices(QUANTIZED_TYPES).default('int8'))
    .option('--block <n>', 'int4: weights that share a scale', (value) => wholeNumber('--block', value), 32)
    .option('--exclude <names...>', 'leave layers alone whose name contains one of these, e.g. lm_head')
    .option('--json', 'print what was done as JSON')
    .action((decoder: string, flags: Flags) => {
      const { type, block, exclude = [], output } = flags;
      const onProgress = (done: number, total: number): void => {
        if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total}${done === total ? '\n' : ''}`);
      };
      const result = quantizeFile(decoder, output, { type, block, exclude, onProgress });
      console.log(flags.json ? JSON.stringify({ type, ...result }) : summary(type, result));
    });
}

function summary(type: QuantizedType, { layers, recentred, bytes, files }: QuantizedFile): string {
  const mebi = (n: number): string => `${(n / 2 ** 20).toFixed(1)} MiB`;
  const worst = [...layers].sort((a, b) => b.relativeError - a.relativeError).slice(0, 3);
  return [
    `${layers.length} layers to ${type}${recentred > 0 ? `, ${recentred} weights from uint8 to int8 without loss` : ''}; ` +
      `${mebi(bytes.before)} to ${mebi(bytes.after)}`,
    ...worst.map(
      ({ weight, inFeatures, outFeatures, relativeError }) =>
        `largest error ${(100 * relativeError).toFixed(2)}%: ${weight} (${inFeatures}×${outFeatures})`,
    ),
    ...files,
  ].join('\n');
}
