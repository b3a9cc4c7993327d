/**
 * Requests of a batch answered by the workers of a queue: a portion is a job, named by its content. A job that the queue has
 * lost (a server without persistence that restarted) is given out again; one that fails for good stays among the queue's failed
 * jobs with its error.
 */
import { createHash } from 'node:crypto';
import { Queue } from 'bullmq';
import { connectRedis } from '../eval/queue/connection.js';
import { ATTEMPTS, QUEUE, type QueuedBatch } from '../eval/queue/queued-run.js';
import type { BatchAnswer, BatchRequest } from './batch.js';

/** Workers of a queue, as what answers a batch. */
export interface BatchQueue {
  readonly answer: (requests: readonly BatchRequest[]) => Promise<readonly BatchAnswer[]>;
  readonly close: () => Promise<void>;
}

/**
 * Connects to a queue.
 * @param model what the workers open, as the command's flags say
 * @param interval milliseconds between looks at a job
 * @throws FastvError as {@link connectRedis} does
 */
export async function openBatchQueue(
  url: string,
  model: QueuedBatch['model'],
  interval = 250,
): Promise<BatchQueue> {
  const redis = await connectRedis(url);
  const queue = new Queue<{ batch: QueuedBatch }, readonly BatchAnswer[]>(QUEUE, { connection: redis });
  // a server that restarts is waited for
  queue.on('error', () => undefined);
  return {
    async answer(requests) {
      const batch = { model, requests };
      const jobId = createHash('sha256').update(JSON.stringify(batch)).digest('hex').slice(0, 32);
      const options = { jobId, attempts: ATTEMPTS, backoff: { type: 'exponential', delay: 200 } };
      const before = await queue.getJob(jobId);
      // what failed in an earlier run is tried again
      if ((await before?.isFailed()) === true) await before?.remove();
      for (;;) {
        await queue.add('batch', { batch }, options); // nothing, if it is there
        for (;;) {
          await new Promise((resolve) => setTimeout(resolve, interval));
          const state = await queue.getJobState(jobId);
          if (state === 'unknown') break;
          if (state !== 'failed' && state !== 'completed') continue;
          // read after its state: a job that was read before it ended does not say what came of it
          const job = await queue.getJob(jobId);
          if (job === undefined) break;
          if (state === 'failed') throw new Error(job.failedReason);
          const answers = job.returnvalue;
          await job.remove().catch(() => undefined);
          return answers;
        }
      }
    },
    async close() {
      await queue.close();
      redis.disconnect();
    },
  };
}
