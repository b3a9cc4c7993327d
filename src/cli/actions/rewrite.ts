/** What `fastv rewrite` does. */
import { create, StringStringEntryProtoSchema } from '../../onnx/index.js';
import { FastvError } from '../../errors.js';
import { readModelFile, writeModelFile } from '../../files/model-file.js';
import { lastTokenTail, rewriteDecoder } from '../../rewrite/index.js';
import type { Standing } from '../../strategies/index.js';
import { version } from '../../version.js';
import { methodOf } from '../options/strategy.js';
import { checkOutputFile } from '../output-path.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv rewrite`. */
export interface RewriteFlags extends Standing {
  readonly output: string;
  readonly layer?: number;
  readonly stage?: readonly StageFlag[];
  readonly strategy?: string;
  readonly preset?: string;
  readonly perImage?: 'even' | 'attention';
  readonly mass?: boolean;
  readonly segments?: boolean;
  readonly mode: 'drop' | 'mask';
  readonly tail: 'last' | 'all' | 'exact';
  readonly earlyQueries: boolean;
  readonly web?: boolean;
  readonly copyData?: boolean;
}

interface StageFlag {
  readonly layer: number;
  readonly ratio?: number;
}

/** Rewrites a decoder file. */
export async function rewrite(input: string, flags: RewriteFlags, terminal: Terminal): Promise<void> {
  const stages = stagesOf(flags);
  const { strategy, ...others } = flags;
  // `external` is no strategy that a model is asked with, but a graph can be made for it
  const { schedule, ...listed } = methodOf(others);
  if (schedule !== undefined) {
    throw new FastvError('invalid-option', `the preset ${schedule} is a schedule for a model that is run`, {
      where: '--preset',
      hint: 'Give --stage K:R for each of its stages.',
    });
  }
  const method = { ...listed, ...(strategy && { strategy }) };
  const { perImage, mass, segments } = flags;
  await checkOutputFile(flags.output, { option: '--output', inputs: [input], makesFolder: true });
  const source = await readModelFile(input);
  const tail = flags.tail === 'all' ? undefined : lastTokenTail(source.model);
  const short = tail?.changed === true && (flags.tail === 'last' || tail.report.exact);
  const { model, report } = rewriteDecoder(short ? tail.model : source.model, {
    stages,
    ...method,
    ...(perImage && { perImage }),
    ...(mass && { mass }),
    ...(segments && { segments }),
    mode: flags.mode,
    quota: flags.web === true ? 'integer' : 'float64',
    earlyQueries: flags.earlyQueries,
  });
  const facts = {
    'fastv.version': version,
    'fastv.stages': JSON.stringify(stages),
    'fastv.strategy': method.strategy,
    ...(method.weights && { 'fastv.weights': method.weights }),
    ...(method.merge && { 'fastv.merge': method.merge }),
    ...(perImage && { 'fastv.per-image': perImage }),
    ...(mass && { 'fastv.mass': 'true' }),
  };
  model.metadataProps = [
    ...model.metadataProps,
    ...Object.entries(facts).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  ];
  const { output } = flags;
  await writeModelFile(model, output, source, { copyData: flags.copyData ?? false });
  const { dataFiles } = source;
  if (flags.copyData === true && dataFiles.length === 0)
    terminal.warn('--copy-data changes nothing: this decoder has no weights in other files');
  terminal.result({ output, dataFiles, ...report, tail: short ? 'last' : 'all' }, () => {
    const cuts = report.stages.map(({ layer, after, queriesReason: reason }) => {
      const queries =
        reason === undefined ? 'queries of the kept tokens' : `queries of all tokens: ${reason}`;
      return `K = ${layer}: cut after ${after}; ${queries}`;
    });
    const { layers, nodes, strategy } = report;
    return [...cuts, `${output}: ${layers} layers, ${nodes.before} → ${nodes.after} nodes, ${strategy}`].join(
      '\n',
    );
  });
}

function stagesOf({ layer: single, stage: several }: RewriteFlags): readonly StageFlag[] {
  if (single !== undefined && several !== undefined) {
    throw new FastvError('invalid-option', '--layer and --stage say the same thing', {
      where: '--layer',
      hint: 'Give --layer for one stage, --stage for each of several.',
    });
  }
  if (single === undefined && several === undefined) {
    throw new FastvError('invalid-option', 'no layer to prune after is given', {
      where: '--layer',
      hint: 'Give --layer 2.',
    });
  }
  return several ?? [{ layer: single ?? 0 }];
}
