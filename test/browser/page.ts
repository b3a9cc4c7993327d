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

// ONNX Runtime's flash attention for WebGPU needs subgroups, and with those of four threads, which software devices
// have, every layer's attention is off by a percent from the fifth token on (the original decoder's too). Without
// subgroups it takes its other kernels, which give the CPU's numbers to 1e-5. (onnxruntime#28520 is of this kind.)
const offered = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'features');
Object.defineProperty(GPUAdapter.prototype, 'features', {
  get(this: GPUAdapter) {
    const features = offered?.get?.call(this) as Iterable<string> | undefined;
    return new Set([...(features ?? [])].filter((feature) => !feature.startsWith('subgroup')));
  },
});

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
