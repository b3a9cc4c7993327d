/**
 * The process that a worker lets do the inference: it may be busy for minutes, or die, and the worker's heartbeat goes on. It
 * takes `{ open }` once a run, then `{ chunk }` by `{ chunk }`, or `{ batch }`, and answers each.
 */
import type { Answerer } from '../eval/answerer.js';
import {
  failureOfChunk,
  type ChildBatch,
  type ChildOptions,
  type FromChild,
  type ToChild,
} from '../eval/queue/child-messages.js';
import { ChunkAnswerer } from '../eval/queue/chunk-answerer.js';
import type { BatchRequest } from '../server/batch.js';
import { openAnswerer } from './answerer.js';
import type { BatchModelFlags, openBatchModel } from './batch-model.js';
import { datasetOptions } from './dataset-options.js';

let answerer: Answerer | undefined;
let chunks: ChunkAnswerer | undefined;

async function open({ run, data, allowNetwork, threads }: ChildOptions): Promise<void> {
  await chunks?.close();
  await answerer?.close?.();
  answerer = await openAnswerer({
    ...run.model,
    allowNetwork,
    ...(threads === undefined ? {} : { threads }),
  });
  chunks = new ChunkAnswerer(answerer, run, { ...run.data, ...datasetOptions({ allowNetwork }), ...data });
}

/** The model of the batch at hand, and what it was opened with. */
let batchModel: { readonly flags: string; readonly opened: ReturnType<typeof openBatchModel> } | undefined;

async function batch({ model, requests, ...own }: ChildBatch): Promise<readonly unknown[]> {
  // written by fastv batch of this version; what another wrote is refused by the model's options
  const flags = { ...model, ...own, concurrency: requests.length } as unknown as BatchModelFlags;
  const text = JSON.stringify({ model, ...own });
  if (batchModel?.flags !== text) {
    await (await batchModel?.opened)?.close();
    batchModel = undefined;
    const { openBatchModel: openIt } = await import('./batch-model.js');
    const opened = openIt(flags);
    await opened;
    batchModel = { flags: text, opened };
  }
  return (await batchModel.opened).answer(requests as readonly BatchRequest[]);
}

async function reply(message: ToChild): Promise<FromChild> {
  try {
    if ('open' in message) {
      await open(message.open);
      return { opened: true };
    }
    if ('batch' in message) return { answers: await batch(message.batch) };
    if (chunks === undefined) throw new Error('no run is open');
    return { result: await chunks.answer(message.chunk) };
  } catch (error) {
    return { failure: failureOfChunk(error) };
  }
}

// one after the other
let last: Promise<void> = Promise.resolve();
process.on('message', (message) => {
  last = last.then(async () => {
    const answer = await reply(message as ToChild);
    process.send?.(answer);
  });
});
// a worker that is gone needs no answers
process.on('disconnect', () => process.exit(0));
