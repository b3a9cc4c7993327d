// The server as a function: `serve` listens, `createHandler` gives the fetch handler for one's own server.
import { basename } from 'node:path';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { FastvError } from '../errors.js';
import { fileCode } from '../files/file-error.js';
import { EMBEDDED_MODEL, embeddedModel } from '../runtime/embedded.js';
import type { PlugOptions } from '../runtime/options.js';
import { App } from './app.js';
import { openServed } from './engine/open-served.js';
import type { Pruning } from './engine/prompt.js';
import { checkedLimits, DEFAULT_LIMITS, type ServerLimits } from './limits.js';
import { stderrLogger, type Logger } from './log.js';
import { planOf, withPlan } from './plan.js';
import { throwFailure, type ModelToServe } from './served-model.js';

/** What is served, and how. */
export interface HandlerOptions {
  /** Folders or names of models; default: the one that comes with the package. */
  readonly models?: readonly (string | ModelToServe)[];
  /** How models that are given by their names prune; K = 2 and R = 50 % where nothing is said. */
  readonly fastv?: PlugOptions;
  /** What goes to `from_pretrained` of models that are given by their names: `dtype`, `device`, … */
  readonly loading?: Readonly<Record<string, unknown>>;
  /** Requests must bring it: `authorization: Bearer KEY`. */
  readonly apiKey?: string;
  readonly limits?: Partial<ServerLimits>;
  /** Whether pictures may be fetched from public addresses; default false. */
  readonly allowNetwork?: boolean;
  /** The folder of `file:` URLs; default: there are none. */
  readonly mediaRoot?: string;
  /** Origins whose pages may ask; default none. */
  readonly cors?: readonly string[];
  /** Default: errors only, to stderr. */
  readonly logger?: Logger;
  /** Milliseconds between two comments in a stream; default 5000. */
  readonly pingMs?: number;
  /** What the paths of requests begin with, where a framework leaves it in them: `/vision`. */
  readonly basePath?: string;
}

/** A server without a socket. */
export interface Handler {
  /** Answers a request. */
  readonly fetch: (request: Request, env?: object) => Response | Promise<Response>;
  /** Ends when every model is loaded. @throws why one cannot be */
  readonly loaded: Promise<void>;
  /** Waits for what runs, so many milliseconds at most (default 30,000), and frees the models. */
  close(graceMs?: number): Promise<void>;
}

/** How to listen. */
export interface ServeOptions extends HandlerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 8321; 0: any that is free. */
  readonly port?: number;
}

/** A server that listens. */
export interface RunningServer extends Handler {
  /** Where, as in `http://127.0.0.1:8321`. */
  readonly url: string;
  readonly port: number;
}

/** The port where nobody says another. */
export const DEFAULT_PORT = 8321;

const GRACE_MS = 30_000;

/**
 * The server as a fetch handler, to be mounted where one likes.
 * @throws {FastvError} `invalid-option`
 * @example
 * const handler = createHandler();
 * app.mount('/vision', handler.fetch); // Hono; Bun.serve(handler), Deno.serve(handler.fetch)
 * // Next, in app/vision/[...path]/route.ts, with { basePath: '/vision' }: export const { fetch: GET, fetch: POST } = handler
 */
export function createHandler(options: HandlerOptions = {}): Handler {
  const app = appOf(options);
  return handlerOf(app);
}

/**
 * Serves models over HTTP by OpenAI's protocol.
 * @throws {FastvError} `invalid-option`; `io` if it cannot listen there
 * @example
 * const server = await serve({ port: 0, limits: { sequences: 4 } });
 * await server.loaded;
 * const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
 * await server.close();
 */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const { host = '127.0.0.1', port = DEFAULT_PORT } = options;
  const app = appOf(options);
  const seconds = options.limits?.seconds ?? DEFAULT_LIMITS.seconds;
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: {
      // a client that sends its request byte by byte is not waited for
      requestTimeout: seconds * 1000,
      headersTimeout: Math.min(seconds, 30) * 1000,
    },
  }) as Server;
  try {
    await listening(server, host, port);
  } catch (error) {
    await app.close(0);
    throw error;
  }
  const address = server.address() as AddressInfo;
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const handler = handlerOf(app);
  let closed: Promise<void> | undefined;
  return {
    ...handler,
    url: `http://${shown}:${address.port}`,
    port: address.port,
    close: (graceMs) =>
      (closed ??= (async () => {
        await handler.close(graceMs);
        const ended = new Promise<void>((resolve) =>
          server.close(() => {
            resolve();
          }),
        );
        server.closeIdleConnections();
        // what is left are clients that do not read
        const timer = setTimeout(() => {
          server.closeAllConnections();
        }, 1000);
        await ended;
        clearTimeout(timer);
      })()),
  };
}

function handlerOf(app: App): Handler {
  const loaded = Promise.all(app.models.map(async (model) => model.loaded)).then(() => {
    app.models.forEach(throwFailure);
  });
  // nobody may be waiting for it
  loaded.catch(() => undefined);
  let closed: Promise<void> | undefined;
  return { fetch: app.fetch, loaded, close: (graceMs = GRACE_MS) => (closed ??= app.close(graceMs)) };
}

function appOf(options: HandlerOptions): App {
  const { apiKey, allowNetwork = false, mediaRoot, cors = [], pingMs = 5000, basePath = '' } = options;
  if (apiKey === '') throw new FastvError('invalid-option', 'the API key is empty', { where: 'apiKey' });
  const models = (options.models ?? [embeddedModel()]).map((model) =>
    typeof model === 'string' ? modelByName(model, options) : model,
  );
  const twice = models.find(({ id }, at) => models.findIndex((other) => other.id === id) !== at);
  if (twice !== undefined)
    throw new FastvError('invalid-option', `two models are called ${twice.id}`, { where: 'models' });
  if (models.length === 0) throw new FastvError('invalid-option', 'no model is given', { where: 'models' });
  return new App({
    models,
    limits: checkedLimits(options.limits),
    allowNetwork,
    cors,
    logger: options.logger ?? stderrLogger('error'),
    pingMs,
    basePath,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(mediaRoot === undefined ? {} : { mediaRoot }),
  });
}

function modelByName(name: string, { fastv = {}, loading = {} }: HandlerOptions): ModelToServe {
  const embedded = name === EMBEDDED_MODEL;
  return {
    id: modelId(name),
    pruning: pruningOf(fastv),
    plan: planOf(fastv),
    open: (vision, plan) =>
      openServed(name, {
        fastv: {
          ...withPlan(fastv, plan),
          ...(embedded ? { cache: false, onWarning: () => undefined } : {}),
        },
        loading: { dtype: 'fp32', device: 'cpu', ...loading },
        vision,
      }),
  };
}

/** How requests prune that say nothing. */
export function pruningOf({ ratio, budget, seed }: PlugOptions): Pruning {
  return {
    ...(budget === undefined ? { ratio: ratio ?? 0.5 } : { budget }),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** What requests call a model: its name on the hub, or that of its folder, never a path. */
export function modelId(name: string): string {
  return /^[\w.-]+\/[\w.-]+$/u.test(name) ? name : basename(name);
}

async function listening(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const taken = fileCode(cause) === 'EADDRINUSE';
      const message = taken ? `port ${port} is taken` : `the server cannot listen: ${cause.message}`;
      reject(
        new FastvError('io', message, {
          where: `${host}:${port}`,
          hint: 'Choose another --port or --host.',
          cause,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}
