// What the browser test runs in the page.
import { AutoModelForImageTextToText, env } from '@huggingface/transformers';
import { fastv } from '../../src/browser.js';
import { Conversation } from '../../src/runtime/conversation.js';
import { askAll, type PageAnswer, type PageQuestion } from './questions.js';

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
  return askAll(model, conversation, questions);
};
