// The server's side of its benchmarks.
import { serve } from '../src/server/index.js';
import { EMBEDDED_FOLDER } from './scene-files.js';
import type { ServerLimits } from '../src/server/limits.js';

const server = await serve({
  port: 0,
  models: [EMBEDDED_FOLDER],
  fastv: { cache: false, onWarning: () => undefined },
  limits: JSON.parse(process.argv[2] ?? '{}') as Partial<ServerLimits>,
});
await server.loaded;
process.send?.(server.url);
process.once('SIGTERM', () => {
  void server.close().then(() => process.exit());
});
