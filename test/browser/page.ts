// What the browser test runs in the page.
import { AutoModelForImageTextToText, env, type Tensor } from '@huggingface/transformers';
import { fastv } from '../../src/browser.js';
import { Conversation } from '../../src/runtime/conversation.js';

/** One question, as plain data. */
export interface PageQuestion {
  readonly text: string;
  readonly size: number;
  /** RGB. */
  readonly pixels: readonly number[];
}

/** What the page found. */
export interface PageAnswer {
  readonly answer: string;
  readonly kept: readonly number[];
}

declare global {
  interface Window {
    answer: (device: string, questions: readonly PageQuestion[], ratio: number) => Promise<PageAnswer[]>;
  }
}

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = '/models/';
env.useBrowserCache = false;
const onnx = env.backends.onnx as { wasm: { wasmPaths: unknown; numThreads: number } };
onnx.wasm.wasmPaths = {
  mjs: new URL('/ort/ort-wasm-simd-threaded.asyncify.mjs', location.href).href,
  wasm: new URL('/ort/ort-wasm-simd-threaded.asyncify.wasm', location.href).href,
};
onnx.wasm.numThreads = 1;

window.answer = async (device, questions, ratio) => {
  const conversation = await Conversation.load('scenes-llava');
  const model = await fastv(AutoModelForImageTextToText as never, 'scenes-llava', {
    device,
    dtype: 'fp32',
    layer: 2,
    ratio,
  });
  const generating = model as typeof model & {
    generate(options: object): Promise<unknown>;
    dispose(): Promise<unknown>;
  };
  const answers: PageAnswer[] = [];
  for (const { text, size, pixels } of questions) {
    const image = { data: new Uint8ClampedArray(pixels), width: size, height: size };
    const inputs = await conversation.inputs([{ role: 'user', text, images: [image] }]);
    const sequences = (await generating.generate({ ...inputs, max_new_tokens: 8 })) as Tensor;
    answers.push({
      answer: conversation.answers(inputs, sequences)[0] ?? '',
      kept: model.fastv.last?.rows[0]?.keptIndices ?? [],
    });
  }
  await generating.dispose();
  return answers;
};
