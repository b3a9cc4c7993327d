/** The queue as a web page of Bull Board: chunks waiting, at work, done and failed, with their errors. For this machine only. */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Queue } from 'bullmq';
import { connectRedis } from '../eval/queue/connection.js';
import { QUEUE } from '../eval/queue/queued-run.js';

/** A page that is open. */
export interface Dashboard {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Opens the page.
 * @throws FastvError as `connectRedis` does
 */
export async function openDashboard(url: string, port: number): Promise<Dashboard> {
  const redis = await connectRedis(url);
  const queue = new Queue(QUEUE, { connection: redis });
  queue.on('error', () => undefined);
  const adapter = new HonoAdapter(serveStatic);
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: adapter });
  const app = adapter.registerPlugin();
  const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' });
  return {
    address: `http://127.0.0.1:${port}/`,
    async close() {
      await new Promise((resolve) => server.close(resolve));
      await queue.close();
      redis.disconnect();
    },
  };
}
