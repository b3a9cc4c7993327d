// `fastv rewrite`: a decoder file in, a decoder file that runs FastV out.
import { Command, Option } from 'commander';
import { create } from '@bufbuild/protobuf';
import { StringStringEntryProtoSchema } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { readModelFile, writeModelFile } from '../files/model-file.js';
import { lastTokenTail, rewriteDecoder, strategies } from '../rewrite/index.js';
import { version } from '../version.js';
import { collectStage, wholeNumber } from './stage-option.js';

interface Flags {
  readonly output: string;
  readonly layer?: number;
  readonly stage?: readonly StageFlag[];
  readonly strategy: string;
  readonly mode: 'drop' | 'mask';
  readonly tail: 'last' | 'all' | 'exact';
  readonly earlyQueries: boolean;
  readonly web?: boolean;
  readonly copyData?: boolean;
  readonly json?: boolean;
}

interface StageFlag {
  readonly layer: number;
  readonly ratio?: number;
}

/** The command, to be added to the program. */
export function rewriteCommand(): Command {
  return new Command('rewrite')
    .description('rewrite an ONNX decoder so that it prunes image tokens after layer K')
    .argument('<in.onnx>', 'the decoder (decoder_model_merged.onnx in most exports)')
    .requiredOption(
      '-o, --output <out.onnx>',
      'where to write; weights in other files are linked, not copied',
    )
    .option('-k, --layer <K>', 'layers 0…K−1 see every token', (value) => wholeNumber('--layer', value))
    .option('--stage <K:R>', 'one of several pruning stages, with its usual R; repeat it', collectStage)
    .addOption(
      new Option('--strategy <name>', strategies.map((s) => `${s.name}: ${s.description}`).join('; '))
        .choices(strategies.map((s) => s.name))
        .default('attention'),
    )
    .addOption(
      new Option('--mode <mode>', 'drop the tokens, or only mask them (to compare)')
        .choices(['drop', 'mask'])
        .default('drop'),
    )
    .addOption(
      new Option(
        '--tail <tokens>',
        'tokens that go on after the last attention: only those whose logits are used, all, or the former where it is exact',
      )
        .choices(['last', 'all', 'exact'])
        .default('exact'),
    )
    .option(
      '--no-early-queries',
      'compute the queries of all tokens at layer K-1, not of the kept ones only (to compare; the result is the same)',
    )
    .option('--web', 'for ONNX Runtime Web, which has no float64: quotas are counted in integers')
    .option('--copy-data', 'copy external weights instead of linking them')
    .option('--json', 'print what was done as JSON')
    .action(async (input: string, flags: Flags) => {
      const stages = stagesOf(flags);
      const source = await readModelFile(input);
      const tail = flags.tail === 'all' ? undefined : lastTokenTail(source.model);
      const short = tail?.changed === true && (flags.tail === 'last' || tail.report.exact);
      const { model, report } = rewriteDecoder(short ? tail.model : source.model, {
        stages,
        strategy: flags.strategy,
        mode: flags.mode,
        quota: flags.web === true ? 'integer' : 'float64',
        earlyQueries: flags.earlyQueries,
      });
      const facts = {
        'fastv.version': version,
        'fastv.stages': JSON.stringify(stages),
        'fastv.strategy': flags.strategy,
      };
      model.metadataProps = [
        ...model.metadataProps,
        ...Object.entries(facts).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
      ];
      await writeModelFile(model, flags.output, source, { copyData: flags.copyData ?? false });
      if (flags.json === true) {
        console.log(
          JSON.stringify({
            output: flags.output,
            dataFiles: source.dataFiles,
            ...report,
            tail: short ? 'last' : 'all',
          }),
        );
        return;
      }
      for (const { layer, after, queriesReason: reason } of report.stages) {
        const queries =
          reason === undefined ? 'queries of the kept tokens' : `queries of all tokens: ${reason}`;
        console.log(`K = ${layer}: cut after ${after}; ${queries}`);
      }
      console.log(
        `${flags.output}: ${report.layers} layers, ${report.nodes.before} → ${report.nodes.after} nodes, ${report.strategy}`,
      );
    });
}

function stagesOf({ layer: single, stage: several }: Flags): readonly StageFlag[] {
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
