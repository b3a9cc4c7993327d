/** Transformers.js as the commands need it: nothing is fetched unasked, and what goes wrong is said once, by us. */
import { env, LogLevel } from '@huggingface/transformers';

/**
 * To be called before a model is loaded.
 * @param flags whether models may be fetched
 */
export function prepareTransformers({ allowNetwork = false }: { readonly allowNetwork?: boolean }): void {
  env.allowRemoteModels = allowNetwork;
  // at a failure Transformers.js prints every input tensor and ONNX Runtime its C++ log; the error is thrown besides
  env.logLevel = process.env['FASTV_DEBUG'] === undefined ? LogLevel.NONE : LogLevel.WARNING;
}
