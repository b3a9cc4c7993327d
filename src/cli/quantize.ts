/** `fastv quantize`: a decoder with fast weights, int8 or int4, and on demand what that does to the model's answers. */
import { Command, Option } from 'commander';
import { FastvError } from '../errors.js';
import { quantizeFile, type QuantizedFile } from '../quantize/files.js';
import { QUANTIZED_TYPES, type QuantizedType, type QuantizeOptions } from '../quantize/quantize.js';
import { commas } from './eval-options.js';
import { positive } from './options.js';
import type { EvaluateFlags } from './quantize-evaluate.js';
import { wholeNumber } from './stage-option.js';

interface Flags extends Omit<EvaluateFlags, 'evaluate'> {
  readonly output: string;
  readonly type: QuantizedType;
  readonly block: number;
  readonly exclude?: readonly string[];
  readonly evaluate?: EvaluateFlags['evaluate'];
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
    .option(
      '--evaluate [tasks]',
      "score the decoder's model before and after, on tasks with commas between (default: scenes)",
      commas,
    )
    .option('--task-file <files...>', 'with --evaluate: tasks of your own, as JSON')
    .option('--limit <n>', 'with --evaluate: questions of each task at most (default: 20)', positive)
    .option('--dtype <dtype>', "with --evaluate: dtype of the model's other parts (default: fp32)")
    .option('--data <folders...>', 'with --evaluate: folders with datasets')
    .option('--images <folder>', 'with --evaluate: where paths of images and names of videos begin')
    .option('--allow-network', 'with --evaluate: let datasets be fetched')
    .option('--json', 'print what was done as JSON')
    .action(async (decoder: string, flags: Flags) => {
      const { type, block, exclude = [], output, evaluate } = flags;
      const onProgress = (done: number, total: number): void => {
        if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total}${done === total ? '\n' : ''}`);
      };
      const options: QuantizeOptions = { type, block, exclude, onProgress };
      if (evaluate === undefined) {
        refuseIdleFlags(flags);
        const result = quantizeFile(decoder, output, options);
        console.log(
          flags.json
            ? JSON.stringify({ type, ...result, evaluation: null })
            : `${summary(type, result)}\n${HOW_TO}`,
        );
        return;
      }
      const { evaluationTable, quantizeAndEvaluate } = await import('./quantize-evaluate.js');
      const { result, evaluation } = await quantizeAndEvaluate(decoder, output, options, {
        ...flags,
        evaluate,
      });
      console.log(
        flags.json
          ? JSON.stringify({ type, ...result, evaluation })
          : `${summary(type, result)}\n\n${evaluationTable(evaluation)}`,
      );
    });
}

const HOW_TO =
  'accuracy was not measured: --evaluate scores the model before and after, where the decoder lies in its folder';

/** Options of the evaluation say something only with it. */
function refuseIdleFlags(flags: Flags): void {
  const idle = (['taskFile', 'limit', 'dtype', 'data', 'images', 'allowNetwork'] as const).find(
    (name) => flags[name] !== undefined,
  );
  if (idle === undefined) return;
  throw new FastvError('invalid-option', 'this option belongs to an evaluation, and there is none', {
    where: `--${idle.replace(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`,
    hint: 'add --evaluate',
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
