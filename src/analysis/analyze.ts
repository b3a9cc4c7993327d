/**
 * Runs a model over tasks and measures where its attention goes (Mechanism 1 of the paper).
 *
 * Limit: the model lies in a folder, with its decoder in one file (onnx/decoder_model_merged*.onnx).
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import type { Task } from '../eval/tasks/task.js';
import { openTask, type OpenOptions } from '../eval/tasks/open-task.js';
import { concatChunks, decodeModel, encodeModel } from '../onnx/index.js';
import { Conversation } from '../runtime/conversation.js';
import { imageTokenIds } from '../runtime/image-tokens.js';
import { isDecoderModel, type OrtSession, type OrtTensor } from '../runtime/transformers.js';
import { AllocationSum, partsOfPrompt, type Allocation } from './allocation.js';
import { rowName, withAttentionRows } from './attention-rows.js';

export interface AnalyzeOptions {
  /** The model's folder. */
  readonly model: string;
  readonly tasks: readonly Task[];
  /** Samples of each task. */
  readonly limit: number;
  readonly data?: OpenOptions;
  readonly onSample?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Measures the allocation over the tasks' samples; the float32 decoder is used. */
export async function analyzeAttention(options: AnalyzeOptions): Promise<Allocation> {
  const conversation = await Conversation.load(options.model);
  const model: unknown = await AutoModelForImageTextToText.from_pretrained(options.model, {
    dtype: 'fp32',
  } as never);
  if (!isDecoderModel(model))
    throw new FastvError('unsupported-decoder', 'this is no image-text model', { where: options.model });
  const rows: Float32Array[][] = [];
  const original = model.sessions['decoder_model_merged'];
  if (original === undefined)
    throw new FastvError('unsupported-decoder', 'the model has no decoder', { where: options.model });
  const { session, layers } = await tappedSession(join(options.model, 'onnx', 'decoder_model_merged.onnx'));
  model.sessions['decoder_model_merged'] = recording(original, session, layers, rows);

  const sum = new AllocationSum();
  const ids = imageTokenIds(model.config);
  let done = 0;
  try {
    for (const task of options.tasks) {
      const opened = openTask(task, options.data);
      try {
        let count = 0;
        for await (const sample of opened.samples()) {
          if (options.signal?.aborted === true) return sum.result();
          const images = (await sample.images()).map(({ data, width, height }) => ({
            data: new Uint8ClampedArray(data.buffer, data.byteOffset, data.byteLength),
            width,
            height,
          }));
          const inputs = await conversation.inputs([{ role: 'user', text: sample.prompt, images }]);
          const prompt = partsOfPrompt(
            Array.from(inputs.input_ids.data as BigInt64Array, (id) => ids.has(id)),
          );
          rows.length = 0;
          await model.generate({ ...inputs, max_new_tokens: sample.maxTokens });
          for (const row of rows) sum.add(row, prompt);
          options.onSample?.(++done);
          if (++count === options.limit) break;
        }
      } finally {
        await opened.close();
      }
    }
  } finally {
    await session.release();
    await (model as unknown as { dispose(): Promise<unknown> }).dispose();
  }
  return sum.result();
}

/** The decoder with its rows, run by the copy of ONNX Runtime that Transformers.js runs. */
async function tappedSession(path: string): Promise<{ session: OrtSession; layers: number }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FastvError('io', 'the decoder cannot be read', {
      where: path,
      hint: 'give the folder of a model',
      cause,
    });
  }
  const { model, layers } = withAttentionRows(decodeModel(bytes));
  const transformers = createRequire(import.meta.url).resolve('@huggingface/transformers');
  const { InferenceSession } = createRequire(transformers)('onnxruntime-node') as {
    InferenceSession: { create(bytes: Uint8Array): Promise<OrtSession> };
  };
  return { session: await InferenceSession.create(concatChunks(encodeModel(model))), layers };
}

/** The original session to look at; what runs is the tapped one, whose rows are kept. */
function recording(
  original: OrtSession,
  tapped: OrtSession,
  layers: number,
  rows: Float32Array[][],
): OrtSession {
  const runnable = tapped as unknown as { run(...args: unknown[]): Promise<Record<string, OrtTensor>> };
  const run = async (...args: unknown[]): Promise<Record<string, OrtTensor>> => {
    const outputs = await runnable.run(...args);
    const names = Array.from({ length: layers }, (_, i) => rowName(i));
    rows.push(names.map((name) => Float32Array.from(outputs[name]?.data as Float32Array)));
    return Object.fromEntries(Object.entries(outputs).filter(([name]) => !names.includes(name)));
  };
  return new Proxy(original, {
    get(target, name) {
      if (name === 'run') return run;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
