/** `fastv quantize --evaluate`: quantises, and lets the model answer with the decoder before and after. */
import { basename, dirname, join } from 'node:path';
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { FastvError } from '../../errors.js';
import { UNPRUNED, type Answerer } from '../../eval/answerer.js';
import { compareModels, type BeforeAfter, type ModelComparison } from '../../eval/compare-models.js';
import { progressLine } from '../../eval/progress.js';
import { openTransformersAnswerer } from '../../eval/transformers-answerer.js';
import { quantizingFile, type QuantizedFile } from '../../files/quantize-file.js';
import type { QuantizeOptions } from '../../quantize/quantize.js';
import { staged } from '../../files/staged.js';
import { modelFolderOf, type ModelFolder } from '../../runtime/model-folder.js';
import { datasetOptions } from '../dataset-options.js';
import { refuseIdleForTasks, tasksOf } from '../evaluation.js';
import { loading } from '../model.js';
import { table } from '../table.js';
import type { Terminal } from '../terminal.js';
import { prepareTransformers } from '../transformers-env.js';
import { inTurns } from '../in-turns.js';
import { Interrupted } from '../interrupt.js';

/** The flags of the evaluation. */
export interface EvaluateFlags {
  /** Tasks and groups; true for the default. */
  readonly evaluate: readonly string[] | true;
  readonly taskFile?: readonly string[];
  readonly limit?: number;
  readonly dtype?: string;
  readonly data?: readonly string[];
  readonly images?: string;
  readonly allowNetwork?: boolean;
}

/** What is said of it, in JSON. */
export interface Evaluation extends ModelComparison {
  /** The model's folder. */
  readonly model: string;
  /** Questions of each task at most. */
  readonly limit: number;
}

const LIMIT = 20;
const DEFAULT_TASKS = ['scenes'];

/**
 * Quantises a decoder that lies in its model's folder and evaluates the model with both. The result appears only when
 * the evaluation is through.
 * @throws {FastvError} `invalid-option` if the decoder lies in no model's folder; `invalid-input` if nothing was to be
 *   lost, but answers have changed; and as `quantizeFile` and `compareModels` do
 */
export async function quantizeAndEvaluate(
  decoder: string,
  output: string,
  options: QuantizeOptions,
  flags: EvaluateFlags,
  terminal: Terminal,
  command: Command,
): Promise<{ result: QuantizedFile; evaluation: Evaluation }> {
  statSync(decoder);
  const place = modelFolderOf(decoder);
  if (place === undefined) {
    throw new FastvError('invalid-option', 'the decoder lies in no model that could be evaluated', {
      where: decoder,
      hint: 'config.json belongs beside it or one folder up; or leave --evaluate out, and measure on your own.',
    });
  }
  const names = flags.evaluate === true ? {} : { tasks: flags.evaluate };
  const tasks = await tasksOf({ ...flags, ...names }, DEFAULT_TASKS);
  const limit = flags.limit ?? LIMIT;
  refuseIdleForTasks(command, flags, tasks, limit);
  prepareTransformers(flags);

  return staged(output, async (folder) => {
    const result = await inTurns(quantizingFile(decoder, output, { ...options, into: folder }));
    const signal = terminal.interrupts.inGoodOrder('ending after this question');
    const comparison = await compareModels(
      () => open(place, decoder, flags),
      () => open(place, join(folder, basename(output)), flags),
      {
        tasks,
        limit,
        signal,
        progress: progressLine(terminal.progress, () => 0),
        data: datasetOptions(flags),
      },
    );
    if (!comparison.complete) throw new Interrupted('ended before it was through; nothing was written');
    if (result.layers.length === 0) refuseChanges(comparison);
    const files = result.files.map((file) => join(dirname(output), basename(file)));
    return { result: { ...result, files }, evaluation: { model: place.folder, limit, ...comparison } };
  });
}

/** Opens the model with one decoder. */
async function open(place: ModelFolder, decoder: string, flags: EvaluateFlags): Promise<Answerer> {
  const { folder, subfolder } = place;
  const parts = flags.dtype ?? 'fp32';
  return loading(folder, flags, async () => {
    const answerer = await openTransformersAnswerer({
      model: folder,
      subfolder,
      decoder,
      dtype: {
        decoder_model_merged: place.dtype ?? parts,
        embed_tokens: parts,
        vision_encoder: parts,
      },
    });
    await answerer.prepare?.([UNPRUNED]);
    return answerer;
  });
}

/**
 * After a pass that loses nothing, every answer must be the same.
 * @throws {FastvError} `invalid-input` if one is not
 */
export function refuseChanges({ tasks }: ModelComparison): void {
  const changed = tasks.filter(({ loyalty }) => loyalty !== null && loyalty < 1);
  if (changed.length === 0) return;
  throw new FastvError('invalid-input', 'answers have changed, although only uint8 became int8', {
    where: changed.map(({ task }) => task).join(', '),
    hint: "This processor's int8 products saturate (x86 without VNNI): keep the uint8 decoder there.",
  });
}

/** The evaluation as a table: scores in percent, differences in points. */
export function evaluationTable({ tasks, mean }: ModelComparison): string {
  const head = [
    'task',
    'before %',
    'after %',
    'difference',
    '95% interval',
    'p (McNemar)',
    'same answers',
    'questions',
  ];
  const rows = [
    ...tasks.map((task) => row(`${task.task} (${task.metric})`, task)),
    ...(mean === null ? [] : [row('mean', mean)]),
  ];
  return table([head, ...rows]).join('\n');
}

function row(name: string, { before, after, difference, loyalty, samples }: BeforeAfter): string[] {
  const percent = (value: number): string => (100 * value).toFixed(1);
  const points = (value: number): string => `${value > 0 ? '+' : ''}${percent(value)}`;
  return [
    name,
    percent(before),
    percent(after),
    difference === null ? points(after - before) : points(difference.estimate),
    difference === null ? '' : `[${points(difference.low)}, ${points(difference.high)}]`,
    typeof difference?.mcnemar !== 'number' ? '' : difference.mcnemar.toFixed(3),
    loyalty === null ? '' : `${percent(loyalty)}%`,
    String(samples),
  ];
}
