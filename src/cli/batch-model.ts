/** The model of a batch: a server's routes without the server, so that requests are checked, batched and answered as there. */
import { answerRequest, type BatchAnswer, type BatchRequest } from '../server/batch.js';
import { DEFAULT_LIMITS } from '../server/limits.js';
import { createHandler } from '../server/serve.js';
import { modelToServe } from './actions/serve.js';
import type { ModelFlags } from './options/model.js';
import { prepareTransformers } from './transformers-env.js';

/** What a batch is answered with. */
export interface BatchModelFlags extends Omit<ModelFlags, 'maxNewTokens' | 'frames'> {
  readonly mediaRoot?: string;
  readonly concurrency: number;
}

/**
 * Opens it.
 * @throws {FastvError} where it cannot be loaded
 */
export async function openBatchModel(flags: BatchModelFlags): Promise<{
  readonly answer: (requests: readonly BatchRequest[]) => Promise<readonly BatchAnswer[]>;
  readonly close: () => Promise<void>;
}> {
  prepareTransformers(flags);
  const { model, allowNetwork = false, mediaRoot, concurrency } = flags;
  const served = modelToServe(model, flags);
  const handler = createHandler({
    models: [served],
    allowNetwork,
    limits: { queue: Math.max(DEFAULT_LIMITS.queue, concurrency) },
    ...(mediaRoot === undefined ? {} : { mediaRoot }),
  });
  try {
    await handler.loaded;
  } catch (error) {
    await handler.close(0);
    throw error;
  }
  return {
    answer: (requests) =>
      Promise.all(requests.map((request) => answerRequest(handler.fetch, request, served.id))),
    close: () => handler.close(),
  };
}
