/**
 * Runs a model over tasks and measures where its attention goes (Mechanism 1 of the paper), and from it where
 * the tokens lie that pruning would drop.
 */
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import type { Task } from '../eval/tasks/task.js';
import { openTask, type OpenOptions } from '../eval/tasks/open-task.js';
import { readModelBytes } from '../files/model-file.js';
import { concatChunks, decodeModel, encodeModel } from '../onnx/index.js';
import { Conversation } from '../runtime/conversation.js';
import { besideWeights } from '../runtime/decoder-file.js';
import { gridsOf, imageSpans, imageTokenIds, imageTokenMask } from '../runtime/image-tokens.js';
import { loadPretrained } from '../runtime/load-pretrained.js';
import { isDecoderFile, nodeSessionClass } from '../runtime/node-session.js';
import { hookOriginal } from '../runtime/original.js';
import { exactSwap } from '../runtime/unsigned-file.js';
import { wrapRun, type Run } from '../runtime/session.js';
import { installSwap, type Swap } from '../runtime/session-swap.js';
import { isDecoderModel, type HfModel, type OrtSession } from '../runtime/transformers.js';
import { AllocationSum, partsOfPrompt, type Allocation } from './allocation.js';
import { rowName, withAttentionRows } from './attention-rows.js';
import { PositionBiasSum, type PositionBias } from './position-bias.js';

export interface AnalyzeOptions {
  /** The model's folder, or its name on the hub. */
  readonly model: string;
  /** As for Transformers.js; default: fp32. */
  readonly dtype?: string;
  readonly tasks: readonly Task[];
  /** Samples of each task. */
  readonly limit: number;
  /** R of the tokens that would be dropped; default: 0.5. */
  readonly ratio?: number;
  readonly data?: OpenOptions;
  readonly onSample?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Where attention goes, and where dropped tokens lie. */
export interface Analysis extends Allocation {
  /** One entry a K. */
  readonly positionBias: readonly PositionBias[];
}

/**
 * Measures attention over the tasks' samples.
 * @throws {FastvError} `unsupported-decoder` for a decoder whose rows of attention cannot be computed, naming the node;
 *   `io` for a model that cannot be loaded
 */
export async function analyzeAttention(options: AnalyzeOptions): Promise<Analysis> {
  const rows: Float32Array[][] = [];
  const { model, conversation } = await load(options, rows);
  const sum = new AllocationSum();
  const bias = new PositionBiasSum(options.ratio ?? 0.5);
  const ids = imageTokenIds(model.config);
  let done = 0;
  const result = (): Analysis => ({ ...sum.result(), positionBias: bias.result() });
  try {
    for (const task of options.tasks) {
      const opened = openTask(task, options.data);
      try {
        let count = 0;
        for await (const sample of opened.samples()) {
          if (options.signal?.aborted === true) return result();
          const images = (await sample.images()).map(({ data, width, height }) => ({
            data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength),
            width,
            height,
          }));
          const inputs = await conversation.inputs([
            { role: 'user', text: sample.prompt, images, video: sample.video === true },
          ]);
          const mask = imageTokenMask(inputs.input_ids, ids);
          const prompt = partsOfPrompt(Array.from(mask, (is) => is === 1));
          const grids = gridsOf(inputs, model.config);
          const spans = imageSpans(mask, model.config, grids);
          rows.length = 0;
          await model.generate({ ...inputs, max_new_tokens: sample.maxTokens, do_sample: false });
          for (const row of rows) sum.add(row, prompt, spans[0]?.positions);
          const [prefill] = rows;
          if (prefill !== undefined) bias.add(prefill, spans);
          options.onSample?.(++done);
          if (++count === options.limit) break;
        }
      } finally {
        await opened.close();
      }
    }
  } finally {
    await (model as unknown as { dispose(): Promise<unknown> }).dispose();
  }
  return result();
}

/** The model with a decoder that tells its rows, which are put into `rows`: a list of layers for each of its runs. */
async function load(
  { model: name, dtype = 'fp32' }: AnalyzeOptions,
  rows: Float32Array[][],
): Promise<{ model: HfModel; conversation: Conversation }> {
  let layers = 0;
  const Session = await nodeSessionClass();
  installSwap(Session);
  const tap: Swap = async (source) => {
    if (typeof source.model !== 'string' || !isDecoderFile(source.model)) return source;
    const tapped = withAttentionRows(decodeModel(await readModelBytes(source.model), source.model));
    ({ layers } = tapped.report);
    return besideWeights(source.model, concatChunks(encodeModel(tapped.model)), source.options);
  };
  const conversation = await Conversation.load(name);
  const model = await loadPretrained(AutoModelForImageTextToText, name, { dtype }, exactSwap(Session, tap));
  const session = isDecoderModel(model) ? model.sessions['decoder_model_merged'] : undefined;
  if (!isDecoderModel(model) || session === undefined || layers === 0) {
    throw new FastvError('unsupported-decoder', 'this is no image-text model with a decoder_model_merged', {
      where: name,
    });
  }
  model.sessions['decoder_model_merged'] = recording(session, layers, rows);
  hookOriginal(model); // feeds what Transformers.js does not
  return { model, conversation };
}

/** The session, whose rows are kept and taken away. */
function recording(session: OrtSession, layers: number, rows: Float32Array[][]): OrtSession {
  const names = Array.from({ length: layers }, (_, i) => rowName(i));
  const kept =
    (run: Run): Run =>
    async (...feeds) => {
      const outputs = await run(...feeds);
      rows.push(names.map((name) => Float32Array.from(outputs[name]?.data as Float32Array)));
      return Object.fromEntries(Object.entries(outputs).filter(([name]) => !names.includes(name)));
    };
  return wrapRun(session, kept, names);
}
