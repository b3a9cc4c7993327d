/** `fastv cost`: what pruning saves of a decoder, by the paper's formula and exactly. */
import { basename } from 'node:path';
import { compareCost, type BeforeAfter, type CostComparison } from '../../cost/compare.js';
import { flops, type CostOptions } from '../../cost/exact.js';
import { KNOWN_MODELS, knownModel } from '../../cost/models.js';
import type { Tokens } from '../../cost/paper.js';
import type { DecoderShape } from '../../cost/shape.js';
import type { Stage } from '../../cost/stages.js';
import { FastvError } from '../../errors.js';
import { stagesOf } from '../parse/stage.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv cost`. */
export interface CostFlags {
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
}

/** Prints what pruning saves. */
export async function cost(flags: CostFlags, terminal: Terminal): Promise<void> {
  const { name, shape, source, imageTokens } = await decoderOf(flags);
  const tokens = tokensOf(flags, name, imageTokens);
  const stages = stagesOf(flags);
  if (flags.stage?.some(({ layer }, i) => layer !== stages[i]?.layer) === true)
    terminal.warn('the stages were not in ascending order; the lowest K comes first');
  const { cut, lmHead, tail, attention, generated } = flags;
  const options = { cut, lmHead, tail, attention, generated };
  const comparison = compareCost(shape, tokens, stages, options);
  const document = {
    decoder: { name, source, shape },
    tokens,
    stages,
    options,
    keptImageTokens: comparison.keptImageTokens,
    paperReduction: comparison.paperReduction,
    paperLayerMacs: sides(comparison.paperLayerMacs),
    prefill: sides(comparison.prefill),
    decode: sides(comparison.decode),
    kvBytes: { unpruned: comparison.kvBytes.before.total, pruned: comparison.kvBytes.after.total },
    kvBytesByLayer: { unpruned: comparison.kvBytes.before.layers, pruned: comparison.kvBytes.after.layers },
  };
  terminal.result(document, () => costTable(name, shape, tokens, stages, comparison));
}

/** Both sides in the words that all JSON of the commands has (docs/cli.md, "One vocabulary"). */
function sides<T>({ before, after }: BeforeAfter<T>): { readonly unpruned: T; readonly pruned: T } {
  return { unpruned: before, pruned: after };
}

interface Found {
  readonly name: string;
  readonly shape: DecoderShape;
  readonly source: string;
  readonly imageTokens?: { readonly count?: number; readonly note: string };
}

async function decoderOf({ model, decoder }: CostFlags): Promise<Found> {
  if ((model === undefined) === (decoder === undefined)) {
    const both =
      model === undefined
        ? 'one of --model and --decoder is needed'
        : '--model and --decoder exclude each other';
    throw new FastvError('invalid-option', both, {
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
  // a graph is read only here: the table of known models needs no reader
  const [{ readModelBytes }, { decodeModel }, { shapeOfDecoder }] = await Promise.all([
    import('../../files/model-file.js'),
    import('../../onnx/read.js'),
    import('../../cost/decoder.js'),
  ]);
  const bytes = await readModelBytes(file);
  const shape = shapeOfDecoder(decodeModel(bytes, file));
  return { name: basename(file), shape, source: file };
}

function tokensOf(flags: CostFlags, name: string, perImage: Found['imageTokens']): Tokens {
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
function costTable(
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
  return [...head, '', ...table(rows, { right: 'all-but-first' })].join('\n');
}
