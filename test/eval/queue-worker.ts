// A worker of a queue in a process of its own, which a test kills. Argument: the queue's address.
import { runWorker } from '../../src/eval/queue/worker.js';

const [url = ''] = process.argv.slice(2);
await runWorker({ url, child: new URL('./queue-child.mjs', import.meta.url), lostAfter: 2000 });
