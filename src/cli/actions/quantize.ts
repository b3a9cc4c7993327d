/** What `fastv quantize` does. */
import type { Command } from 'commander';
import { quantizingFile, type QuantizedFile } from '../../files/quantize-file.js';
import type { QuantizedType, QuantizeOptions } from '../../quantize/quantize.js';
import { nodeSessionClass } from '../../runtime/node-session.js';
import { int8Products, type Int8Products } from '../../runtime/processor.js';
import { inTurns } from '../in-turns.js';
import { checkOutputFile } from '../output-path.js';
import type { Terminal } from '../terminal.js';
import type { EvaluateFlags } from './quantize-evaluate.js';

/** The flags of `fastv quantize`. */
export interface QuantizeFlags extends Omit<EvaluateFlags, 'evaluate'> {
  readonly output: string;
  readonly type: QuantizedType | 'auto';
  readonly block?: number;
  readonly exclude?: readonly string[];
  readonly evaluate?: EvaluateFlags['evaluate'];
}

/**
 * Quantises a decoder file.
 * @param command knows which flags were given
 */
export async function quantize(
  decoder: string,
  flags: QuantizeFlags,
  terminal: Terminal,
  command: Command,
): Promise<void> {
  const { block = 32, exclude = [], output, evaluate } = flags;
  await checkOutputFile(output, { option: '--output', inputs: [decoder] });
  const products = await int8Products(await nodeSessionClass());
  const chosen = typeFor(flags.type, products);
  if (flags.type === 'int8' && products === 'saturating') terminal.warn(SATURATING);
  const { type } = chosen;
  const { progress } = terminal;
  const onProgress = (done: number, total: number): void => {
    if (progress.isTTY === true) progress.write(`\r${done}/${total}${done === total ? '\n' : ''}`);
  };
  const options: QuantizeOptions = { type, block, exclude, onProgress };
  if (evaluate === undefined) {
    const result = await inTurns(quantizingFile(decoder, output, options));
    terminal.result(
      { ...chosen, ...result, evaluation: null },
      () => `${summary(chosen, result)}\n${HOW_TO}`,
    );
    return;
  }
  const { evaluationTable, quantizeAndEvaluate } = await import('./quantize-evaluate.js');
  const { result, evaluation } = await quantizeAndEvaluate(
    decoder,
    output,
    options,
    { ...flags, evaluate },
    terminal,
    command,
  );
  terminal.result(
    { ...chosen, ...result, evaluation },
    () => `${summary(chosen, result)}\n\n${evaluationTable(evaluation)}`,
  );
}

/** A type, and why it was chosen: null if the caller named it. */
interface ChosenType {
  readonly type: QuantizedType;
  readonly reason: string | null;
}

/** The type that was asked for, or the right one for this machine. */
function typeFor(asked: QuantizeFlags['type'], products: Int8Products): ChosenType {
  if (asked !== 'auto') return { type: asked, reason: null };
  return products === 'exact'
    ? { type: 'int8', reason: "this processor's int8 products are exact and the fastest" }
    : { type: 'uint8', reason: "this processor's int8 products saturate; uint8 is exact here, and as fast" };
}

const SATURATING =
  "this processor's int8 products saturate: fastv loads int8 weights so that they are exact, other programs may not; " +
  '--type auto takes what is exact here anyway, --type int8-portable what is exact on every processor';

const HOW_TO =
  'accuracy was not measured: --evaluate scores the model before and after, where the decoder lies in its folder';

function summary({ type, reason }: ChosenType, { layers, recentred, bytes, files }: QuantizedFile): string {
  const mebi = (n: number): string => `${(n / 2 ** 20).toFixed(1)} MiB`;
  const worst = [...layers].sort((a, b) => b.relativeError - a.relativeError).slice(0, 3);
  return [
    `${layers.length} layers to ${type}${reason === null ? '' : ` (${reason})`}${recentred > 0 ? `, ${recentred} weights from uint8 to int8 without loss` : ''}; ` +
      `${mebi(bytes.before)} to ${mebi(bytes.after)}`,
    ...worst.map(
      ({ weight, inFeatures, outFeatures, relativeError }) =>
        `largest error ${(100 * relativeError).toFixed(2)}%: ${weight} (${inFeatures}×${outFeatures})`,
    ),
    ...files,
  ].join('\n');
}
