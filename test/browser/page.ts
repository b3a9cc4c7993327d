// What the browser test runs in the page.
import { generateText } from 'ai';
import { AutoModelForImageTextToText, env } from '@huggingface/transformers';
import { createFastv } from '../../src/ai-sdk/browser.js';
import { inspectModel, openModel } from '../../src/browser-model.js';
import { fastv } from '../../src/browser.js';
import { Conversation } from '../../src/runtime/conversation.js';
import {
  askAll,
  askOpened,
  type OpenedAnswer,
  type PageAnswer,
  type PageQuestion,
  type ProviderAnswer,
  type Pruning,
} from './questions.js';

declare global {
  interface Window {
    answer: (device: string, questions: readonly PageQuestion[], pruning: Pruning) => Promise<PageAnswer[]>;
    answerByProvider: (picture: string, question: string, ratio: number) => Promise<ProviderAnswer>;
    answerOpened: (question: PageQuestion) => Promise<OpenedAnswer>;
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

window.answer = async (device, questions, pruning) => {
  const conversation = await Conversation.load('scenes-llava');
  const model = await fastv(AutoModelForImageTextToText as never, 'scenes-llava', {
    device,
    dtype: 'fp32',
    layer: 2,
    ...pruning,
  });
  return askAll(model, conversation, questions);
};

// the AI SDK would say on the console what it warns of
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });

window.answerByProvider = async (picture, question, ratio) => {
  await using provider = createFastv({ layer: 2, dtype: 'fp32', onWarning: () => undefined });
  const { text, usage, providerMetadata } = await generateText({
    model: provider('scenes-llava'),
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', image: picture },
          { type: 'text', text: question },
        ],
      },
    ],
    providerOptions: { fastv: { ratio } },
    temperature: 0,
    maxOutputTokens: 8,
    maxRetries: 0,
  });
  return { text, tokens: usage.outputTokens, kept: providerMetadata?.['fastv']?.['keptImageTokens'] };
};

window.answerOpened = (question) => askOpened(openModel, inspectModel, 'scenes-llava', question);
