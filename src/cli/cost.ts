/** `fastv cost`: what pruning saves of a decoder, by the paper's formula and exactly. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { compareCost, type CostComparison } from '../cost/compare.js';
import { shapeOfDecoder } from '../cost/decoder.js';
import { flops, type CostOptions } from '../cost/exact.js';
import { KNOWN_MODELS, knownModel } from '../cost/models.js';
import type { Tokens } from '../cost/paper.js';
import type { DecoderShape } from '../cost/shape.js';
import type { Stage } from '../cost/stages.js';
import { FastvError } from '../errors.js';
import { decodeModel } from '../onnx/read.js';
import { collectStage, share, stagesOf, wholeNumber } from './stage-option.js';

interface Flags {
  readonly model?: string;
  readonly decoder?: string;
  readonly layer?: number;
  readonly ratio?: number;
  readonly stage?: readonly Stage[];
  readonly imageTokens?: number;
  readonly textTokens: number;
  readonly images: number;
  readonly generated: number;
  readonly cut: NonNullable<CostOptions['cut']>;
  readonly lmHead: NonNullable<CostOptions['lmHead']>;
  readonly tail: NonNullable<CostOptions['tail']>;
  readonly attention: NonNullable<CostOptions['attention']>;
  readonly json?: boolean;
}

/** The command, to be added to the program. */
export function costCommand(): Command {
  const number = (option: string) => (value: string) => wholeNumber(option, value);
  return new Command('cost')
    .description('FLOPs and KV-cache bytes of a decoder, before and after pruning')
    .option('--model <name>', `a known model: ${KNOWN_MODELS.map((model) => model.name).join(', ')}`)
    .option('--decoder <file>', 'or a decoder file, whose shape is read')
    .option('--layer <K>', 'layers 0 to K-1 see every token', number('--layer'))
    .option('--ratio <R>', 'share of the image tokens dropped: 0.5 or 50%', (value) =>
      share('--ratio', value),
    )
    .option('--stage <K:R>', 'in place of --layer and --ratio; repeat it for several stages', collectStage)
    .option(
      '--image-tokens <n>',
      'image tokens in all (default: those of one image)',
      number('--image-tokens'),
    )
    .option('--images <n>', 'number of images, where a model fixes the tokens of one', number('--images'), 1)
    .option('--text-tokens <n>', 'all other tokens', number('--text-tokens'), 36)
    .option('--generated <n>', 'tokens generated so far, for KV bytes and decoding', number('--generated'), 0)
    .addOption(
      new Option(
        '--cut <where>',
        'where dropped tokens leave: between layers, after the attention, before its queries',
      )
        .choices(['boundary', 'attention', 'queries'])
        .default('attention'),
    )
    .addOption(
      new Option('--lm-head <rows>', 'tokens that meet the LM head')
        .choices(['all', 'last', 'none'])
        .default('last'),
    )
    .addOption(
      new Option('--tail <tokens>', 'tokens that go on after the last attention')
        .choices(['all', 'last'])
        .default('all'),
    )
    .addOption(
      new Option('--attention <pairs>', 'count every query-key pair, or those the mask allows')
        .choices(['dense', 'causal'])
        .default('dense'),
    )
    .option('--json', 'print the numbers as JSON')
    .action(async (flags: Flags) => {
      const { name, shape, source, imageTokens } = await decoderOf(flags);
      const tokens = tokensOf(flags, name, imageTokens);
      const stages = stagesOf(flags);
      const { cut, lmHead, tail, attention, generated } = flags;
      const cost = compareCost(shape, tokens, stages, { cut, lmHead, tail, attention, generated });
      const options = { cut, lmHead, tail, attention, generated };
      console.log(
        flags.json
          ? JSON.stringify({ decoder: { name, source, shape }, tokens, stages, options, ...cost })
          : costTable(name, shape, tokens, stages, cost),
      );
    });
}

interface Found {
  readonly name: string;
  readonly shape: DecoderShape;
  readonly source: string;
  readonly imageTokens?: { readonly count?: number; readonly note: string };
}

async function decoderOf({ model, decoder }: Flags): Promise<Found> {
  if ((model === undefined) === (decoder === undefined)) {
    throw new FastvError('invalid-option', 'one of --model and --decoder is needed', {
      where: '--model',
      hint: `known models are ${KNOWN_MODELS.map((known) => known.name).join(', ')}`,
    });
  }
  if (model !== undefined) {
    const { name, shape, source, imageTokens, imageTokensNote: note } = knownModel(model);
    return {
      name,
      shape,
      source,
      imageTokens: { ...(imageTokens === undefined ? {} : { count: imageTokens }), note },
    };
  }
  const file = decoder ?? '';
  const bytes = await readFile(file);
  const shape = shapeOfDecoder(decodeModel(bytes, file));
  return { name: basename(file), shape, source: file };
}

function tokensOf(flags: Flags, name: string, perImage: Found['imageTokens']): Tokens {
  const image =
    flags.imageTokens ?? (perImage?.count === undefined ? undefined : perImage.count * flags.images);
  if (image === undefined) {
    throw new FastvError('invalid-option', `${name} has no fixed number of image tokens`, {
      where: '--image-tokens',
      hint: `say how many there are${perImage === undefined ? '' : ` (${perImage.note})`}`,
    });
  }
  return { text: flags.textTokens, image };
}

/** The table that people read; `--json` has the same numbers. */
export function costTable(
  name: string,
  shape: DecoderShape,
  tokens: Tokens,
  stages: readonly Stage[],
  cost: CostComparison,
): string {
  const groups = shape.kvHeads === shape.heads ? '' : ` over ${shape.kvHeads} KV heads`;
  const head = [
    `${name}: ${shape.layers} layers, hidden ${shape.hidden}, ${shape.heads} heads${groups} of ${shape.headDim}, ` +
      `MLP ${shape.mlpMatrices}×${shape.mlp}, vocabulary ${shape.vocab}`,
    `${tokens.image} image + ${tokens.text} other tokens; ${stages
      .map(({ layer, ratio }) => `${Number((100 * ratio).toFixed(2))}% dropped at layer ${layer}`)
      .join(', ')}: ${cost.keptImageTokens} image tokens left`,
  ];
  const { prefill, decode, kvBytes, paperLayerMacs } = cost;
  const giga = (macs: number): string => (macs / 1e9).toFixed(1);
  const gflops = (macs: number): string => (flops(macs) / 1e9).toFixed(1);
  const mebi = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  const row = (label: string, before: number, after: number, show: (x: number) => string): string[] => [
    label,
    show(before),
    show(after),
    before === 0 ? '' : `${((100 * after) / before).toFixed(1)}%`,
  ];
  const part = (label: string, key: 'projections' | 'attention' | 'mlp' | 'lmHead'): string[] =>
    row(`  ${label}`, prefill.before[key], prefill.after[key], gflops);
  const rows = [
    ['', 'before', 'after', 'left'],
    row("paper's formula, GMAC a layer", paperLayerMacs.before, paperLayerMacs.after, giga),
    row('prefill, exact, GFLOP', prefill.before.total, prefill.after.total, gflops),
    part('projections', 'projections'),
    part('attention', 'attention'),
    part('MLP', 'mlp'),
    part('LM head', 'lmHead'),
    ['  selection', '', (flops(prefill.after.selection) / 1e9).toFixed(4), ''],
    row('one decoding step, GFLOP', decode.before.total, decode.after.total, (x) =>
      (flops(x) / 1e9).toFixed(2),
    ),
    row('KV cache, MiB', kvBytes.before.total, kvBytes.after.total, mebi),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return [...head, '', ...lines].join('\n');
}
