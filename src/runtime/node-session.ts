// The ONNX Runtime that Transformers.js runs in Node, and how it is asked for a decoder.
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import type { SessionClass } from './session-swap.js';

/** Its session class: of the copy that Transformers.js itself loads, wherever the package manager put it. */
export function nodeSessionClass(): SessionClass {
  const transformers = createRequire(import.meta.url).resolve('@huggingface/transformers');
  const runtime = createRequire(transformers)('onnxruntime-node') as { InferenceSession: SessionClass };
  return runtime.InferenceSession;
}

/** Whether a file that Transformers.js asks for is a decoder. */
export function isDecoderFile(path: string): boolean {
  return basename(path).startsWith('decoder_model_merged');
}
