/** What `fastv worker` does. */
import { withoutPassword } from '../../eval/queue/connection.js';
import { runWorker } from '../../eval/queue/worker.js';

import type { Terminal } from '../terminal.js';

/** The flags of `fastv worker`. */
export interface WorkerFlags {
  readonly queue: string;
  readonly data?: readonly string[];
  readonly images?: string;
  readonly allowNetwork?: boolean;
  readonly threads?: number;
  readonly lostAfter: number;
  readonly dashboard?: number;
}

/** Works until Ctrl-C. */
export async function worker(flags: WorkerFlags, terminal: Terminal): Promise<void> {
  const { queue: url, data: folders, images: imageFolder, allowNetwork = false, threads, lostAfter } = flags;
  const signal = terminal.interrupts.inGoodOrder('ending after this chunk');
  const dashboard =
    flags.dashboard === undefined
      ? undefined
      : await (await import('../dashboard.js')).openDashboard(url, flags.dashboard);
  if (dashboard !== undefined) terminal.note(`the queue is shown at ${dashboard.address}`);
  let [done, failed] = [0, 0];
  terminal.note(`working for ${withoutPassword(url)}`);
  try {
    await runWorker({
      ...{ url, allowNetwork, lostAfter: 1000 * lostAfter, signal },
      ...(threads === undefined ? {} : { threads }),
      child: new URL('../queue-child.js', import.meta.url),
      data: {
        ...(folders === undefined ? {} : { folders }),
        ...(imageFolder === undefined ? {} : { imageFolder }),
      },
      onChunk(work, error) {
        if (error === undefined) done++;
        else failed++;
        const what =
          'batch' in work
            ? `${work.batch.requests.length} requests`
            : `${work.task}, windows ${work.from} to ${work.to - 1}`;
        terminal.note(`${what}: ${error === undefined ? 'done' : error.message}`);
      },
    });
  } finally {
    await dashboard?.close();
  }
  terminal.result({ done, failed }, () => `${done} chunks done, ${failed} failed`);
}
