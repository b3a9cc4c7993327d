// Packages that only some commands need. An app that wants the plug alone does not install them, so a command that is
// without them says which package brings them.
import { FastvError } from '../errors.js';

const LAB = [
  ...['@bull-board/api', '@bull-board/hono', '@observablehq/plot', 'apache-arrow', 'bullmq'],
  ...['fastest-levenshtein', 'hyparquet', 'hyparquet-compressors', 'ioredis', 'linkedom', 'pluralize'],
];
const SERVER = [
  ...['@hono/node-server', '@hono/prometheus', '@hono/zod-openapi', '@mlc-ai/web-xgrammar', 'hono'],
  ...['ipaddr.js', 'pino', 'prom-client', 'undici', 'zod'],
];

/** Which package brings a package. `package.json` has them as optional peers. */
export const BROUGHT_BY: ReadonlyMap<string, string> = new Map([
  ...LAB.map((name) => [name, 'fastv-lab'] as const),
  ...SERVER.map((name) => [name, 'fastv-server'] as const),
]);

/** An import that failed because of one of these, as an error that says what to install; undefined for any other. */
export function missingPackage(error: unknown): FastvError | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_MODULE_NOT_FOUND')
    return undefined;
  const name = /^Cannot find package '((?:@[^'/]+\/)?[^'/]+)/u.exec(error.message)?.[1] ?? '';
  const brought = BROUGHT_BY.get(name);
  if (brought === undefined) return undefined;
  return new FastvError('io', `this needs the package "${name}", which is not installed`, {
    where: name,
    hint: `npm i ${brought} brings all that it needs.`,
    cause: error,
  });
}
