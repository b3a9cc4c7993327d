// A route of Next.js: /vision/v1/chat/completions answers OpenAI's clients, in the server that renders the pages.
// npm i fastv fastv-server fastv-scenes @huggingface/transformers
// In next.config.js: serverExternalPackages: ['fastv', '@huggingface/transformers', 'onnxruntime-node'].
import { createHandler } from 'fastv/server';

// one for the process: in development Next.js loads this file again whenever it changes
globalThis.fastvHandler ??= createHandler({
  basePath: '/vision',
  fastv: { layer: 2, ratio: 0.5 },
  loading: { dtype: 'q8' },
});

export const runtime = 'nodejs';
export const GET = (request) => globalThis.fastvHandler.fetch(request);
export const POST = GET;
