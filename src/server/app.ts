// The routes: what is asked, of whom, and what the client is told. A fetch handler; src/server/serve.ts listens.
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { OpenAPIHono } from '@hono/zod-openapi';
import { prometheus } from '@hono/prometheus';
import type { Context, Next } from 'hono';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import { hasManyValues } from '../eval/datasets/json.js';
import { abortable } from '../runtime/abort.js';
import { version } from '../version.js';
import { ApiError, apiError, badRequest } from './api-error.js';
import { ChatCompletions, type PreparedChat } from './chat-completions.js';
import { ChatRequest } from './chat-request.js';
import type { ServerLimits } from './limits.js';
import { loggedError, type Logger } from './log.js';
import { Metrics } from './metrics.js';
import { registerPaths } from './openapi.js';
import { PublicFetch } from './public-fetch.js';
import { chatRequestOf, ResponseMaker, responsesError, ResponsesRequest } from './responses.js';
import { ServedModel, type ModelToServe } from './served-model.js';

/** What the routes need. */
export interface AppOptions {
  readonly models: readonly ModelToServe[];
  readonly limits: ServerLimits;
  /** Requests must bring it: `authorization: Bearer KEY`. */
  readonly apiKey?: string;
  /** Whether pictures may be fetched from public addresses. */
  readonly allowNetwork: boolean;
  /** The folder of `file:` URLs. */
  readonly mediaRoot?: string;
  /** Origins whose pages may ask; default none. */
  readonly cors: readonly string[];
  readonly logger: Logger;
  /** Milliseconds between two comments in a stream. */
  readonly pingMs: number;
  /** What the paths of requests begin with. */
  readonly basePath: string;
  /** In the place of public addresses only: for tests. */
  readonly web?: PublicFetch;
}

/** What handlers of one request know of it. */
interface Env {
  Variables: { id: string; facts: Record<string, unknown> };
}

type Ctx = Context<Env>;

/** The server without a socket. */
export class App {
  readonly models: readonly ServedModel[];
  readonly #options: AppOptions;
  readonly #hono = new OpenAPIHono<Env>();
  readonly #chat: ChatCompletions;
  readonly #metrics: Metrics;
  readonly #web: PublicFetch | undefined;
  /** What ends each request that is being answered. */
  readonly #active = new Set<AbortController>();
  #draining = false;
  #idle: () => void = () => undefined;

  constructor(options: AppOptions) {
    this.#options = options;
    const { limits, mediaRoot, pingMs } = options;
    this.models = options.models.map((model) => new ServedModel(model, limits));
    this.#web = options.web ?? (options.allowNetwork ? new PublicFetch() : undefined);
    this.#chat = new ChatCompletions({ limits, sources: { limits, web: this.#web, mediaRoot }, pingMs });
    this.#metrics = new Metrics(this.models);
    this.#routes();
  }

  /** Answers a request: what `Bun.serve`, `Deno.serve`, Hono's `mount` and Next's route handlers take. */
  readonly fetch = (request: Request, env?: object): Response | Promise<Response> => {
    const { basePath } = this.#options;
    if (basePath === '') return this.#hono.fetch(request, env);
    const url = new URL(request.url);
    url.pathname = url.pathname.startsWith(`${basePath}/`) ? url.pathname.slice(basePath.length) : '/';
    return this.#hono.fetch(new Request(url, request), env);
  };

  /** Whether every model is loaded. */
  get ready(): boolean {
    return this.models.every(({ ready }) => ready);
  }

  /**
   * Takes no new requests, and waits for those that run.
   * @param graceMs after so many milliseconds what still runs is ended
   */
  async close(graceMs: number): Promise<void> {
    this.#draining = true;
    if (this.#active.size > 0) {
      const idle = new Promise<void>((resolve) => (this.#idle = resolve));
      const timer = setTimeout(() => {
        const reason = new ApiError(503, 'the server is ending', { code: 'shutting_down' });
        for (const request of this.#active) request.abort(reason);
      }, graceMs);
      await idle;
      clearTimeout(timer);
    }
    await this.#web?.close();
    for (const model of this.models) await model.close();
  }

  #routes(): void {
    const { cors: origins } = this.#options;
    const app = this.#hono;
    const { printMetrics, registerMetrics } = prometheus({ registry: this.#metrics.registry });
    app.use((c, next) => this.#around(c, next));
    app.use(registerMetrics);
    if (origins.length > 0) app.use(cors({ origin: [...origins], exposeHeaders: ['x-request-id'] }));
    app.use((c, next) => this.#authorized(c, next));
    app.get('/health', (c) => this.#health(c));
    app.get('/v1/models', (c) =>
      c.json({ object: 'list', data: this.models.map((model) => this.#described(model)) }),
    );
    app.get('/v1/models/:id{.+}', (c) => c.json(this.#described(this.#model(c.req.param('id')))));
    app.get('/metrics', printMetrics);
    app.post('/v1/chat/completions', (c) => this.#chatCompletions(c));
    app.post('/v1/responses', (c) => this.#responses(c));
    registerPaths(app);
    app.doc31('/openapi.json', { openapi: '3.1.0', info: { title: 'fastv', version } });
    app.notFound((c) => {
      const known = app.routes.some(({ path, method }) => path === c.req.path && method !== 'ALL');
      return (
        known
          ? new ApiError(405, `${c.req.method} is not for this path`, { code: 'method_not_allowed' })
          : new ApiError(404, 'there is nothing at this path', { code: 'not_found' })
      ).toResponse();
    });
    app.onError((error, c) => {
      const told = apiError(error);
      c.get('facts')['error'] =
        told.status >= 500 ? loggedError(told) : { code: told.code, param: told.param };
      return told.toResponse();
    });
  }

  /** Gives a request its id and its line in the log. */
  async #around(c: Ctx, next: Next): Promise<void> {
    const start = performance.now();
    const given = c.req.header('x-request-id') ?? '';
    const id = /^[\w.-]{1,128}$/u.test(given) ? given : randomUUID();
    c.set('id', id);
    c.set('facts', {});
    await next();
    c.res.headers.set('x-request-id', id);
    if (c.res.status >= 400 && c.req.raw.body !== null && !c.req.raw.bodyUsed) {
      // a client that is still sending would see its connection break rather than the answer
      await discard(c.req.raw.body.getReader(), 4 * this.#options.limits.bodyBytes);
      c.res.headers.set('connection', 'close');
    }
    if (c.get('facts')['streams'] !== true) this.#logged(c, start);
  }

  #logged(c: Ctx, start: number): void {
    const { method } = c.req;
    const facts = { ...c.get('facts') };
    delete facts['streams'];
    const ms = Math.round(performance.now() - start);
    const line = { id: c.get('id'), method, route: routePath(c, -1), status: c.res.status, ms, ...facts };
    if (c.res.status >= 500 && c.res.status !== 503) this.#options.logger.error(line, 'request');
    else this.#options.logger.info(line, 'request');
  }

  async #authorized(c: Ctx, next: Next): Promise<void> {
    const { apiKey } = this.#options;
    if (apiKey !== undefined && c.req.path !== '/health') {
      const [, given = ''] = /^Bearer (.+)$/iu.exec(c.req.header('authorization') ?? '') ?? [];
      // hashes have one length, so that the time says nothing of the key's
      if (!timingSafeEqual(digest(given), digest(apiKey))) {
        throw new ApiError(401, 'the API key is missing or wrong', {
          code: 'invalid_api_key',
          headers: { 'www-authenticate': 'Bearer' },
        });
      }
    }
    await next();
  }

  #health(c: Ctx): Response {
    const failed = this.models.some(({ failure }) => failure !== undefined);
    const status = this.#draining ? 'ending' : failed ? 'failed' : this.ready ? 'ok' : 'loading';
    return c.json({ status, version }, status === 'ok' ? 200 : 503);
  }

  #described({ id, created, engineIfReady: engine }: ServedModel): object {
    return {
      id,
      object: 'model',
      created,
      owned_by: 'fastv',
      input_modalities: ['text', 'image', 'video'],
      output_modalities: ['text'],
      ...(engine === undefined
        ? {}
        : {
            context_length: Number.isFinite(engine.positions) ? engine.positions : null,
            fastv: {
              layer: engine.model.fastv?.layer ?? null,
              strategy: engine.model.fastv?.strategy ?? null,
            },
          }),
    };
  }

  /** @throws {ApiError} 404 */
  #model(id: string): ServedModel {
    const found = this.models.find((model) => model.id === id);
    if (found !== undefined) return found;
    throw new ApiError(
      404,
      `there is no model ${JSON.stringify(id.slice(0, 200))} here; GET /v1/models lists them`,
      {
        param: 'model',
        code: 'model_not_found',
      },
    );
  }

  async #chatCompletions(c: Ctx): Promise<Response> {
    return this.#answered(c, async (body, controls) => {
      const request = ChatRequest.parse(body);
      const chat = await this.#prepared(c, request, controls);
      if (request.stream !== true) return c.json(await chat.document());
      return chat.stream(controls.gone, controls.streamed());
    });
  }

  async #responses(c: Ctx): Promise<Response> {
    return this.#answered(c, async (body, controls) => {
      const request = ResponsesRequest.parse(body);
      try {
        const chat = await this.#prepared(c, chatRequestOf(request), controls);
        const maker = new ResponseMaker(chat, request);
        if (request.stream !== true) return c.json(await maker.document());
        return maker.stream(this.#options.pingMs, controls.gone, controls.streamed());
      } catch (error) {
        throw responsesError(error, request);
      }
    });
  }

  /** A place in the queue, and the request made ready. */
  async #prepared(c: Ctx, request: ChatRequest, controls: Controls): Promise<PreparedChat> {
    const model = this.#model(request.model);
    if (request.user != null) c.get('facts')['user'] = request.user;
    controls.enter(model);
    const { signal, until } = controls;
    return this.#chat.prepare({ request, model, signal, until, onUsage: controls.used(model) });
  }

  /** Answers a request for an answer of a model: with a place in its queue, a time limit, and a line in the log. */
  async #answered(
    c: Ctx,
    answer: (body: unknown, controls: Controls) => Promise<Response>,
  ): Promise<Response> {
    if (this.#draining) {
      throw new ApiError(503, 'the server is ending', {
        code: 'shutting_down',
        headers: { 'retry-after': '5', connection: 'close' },
      });
    }
    const start = performance.now();
    const facts = c.get('facts');
    const { seconds } = this.#options.limits;
    // not AbortSignal.any: one that hangs on a signal of the server's is kept as long as that
    const ending = new AbortController();
    const { signal } = ending;
    let away = false;
    const goAway = (): void => {
      away = true;
      // nobody reads it; the log does, and 499 is what nginx calls it
      ending.abort(new ApiError(499, 'the client went away', { code: 'aborted' }));
    };
    const { signal: client } = c.req.raw;
    if (client.aborted) goAway();
    else client.addEventListener('abort', goAway, { once: true });
    const timer = setTimeout(() => {
      ending.abort(new ApiError(504, `the answer took more than ${seconds} seconds`, { code: 'timeout' }));
    }, seconds * 1000);
    this.#active.add(ending);
    const ends: (() => void)[] = [];
    let asked: ServedModel | undefined;
    const streams = { begun: false };
    const done = (error?: unknown): void => {
      clearTimeout(timer);
      for (const end of ends.splice(0)) end();
      client.removeEventListener('abort', goAway);
      this.#active.delete(ending);
      if (this.#active.size === 0) this.#idle();
      if (asked !== undefined) this.#metrics.ended(asked.id, outcome(error, away));
    };
    const controls: Controls = {
      signal,
      gone: goAway,
      enter: (model) => {
        asked = model;
        facts['model'] = model.id;
        ends.push(model.enter());
      },
      until: (end) => {
        ends.push(end);
      },
      used: (model) => (usage, firstTokenMs) => {
        const { prompt_tokens: prompt, completion_tokens: completion } = usage;
        Object.assign(facts, { prompt, completion, firstTokenMs: Math.round(firstTokenMs) });
        this.#metrics.used(model.id, usage, firstTokenMs);
      },
      streamed: () => {
        streams.begun = true;
        facts['streams'] = true;
        return (error) => {
          if (error !== undefined) facts['error'] = signal.aborted ? { code: 'aborted' } : loggedError(error);
          this.#logged(c, start);
          done(error);
        };
      },
    };
    try {
      const response = await answer(await jsonBody(c, this.#options.limits.bodyBytes, signal), controls);
      if (!streams.begun) done();
      return response;
    } catch (error) {
      done(error);
      throw error;
    }
  }
}

/** What an answer is made with. */
interface Controls {
  readonly signal: AbortSignal;
  /** Ends the request, because nobody reads its answer. */
  readonly gone: () => void;
  /** Takes a place. @throws {ApiError} 429 */
  readonly enter: (model: ServedModel) => void;
  /** Adds what is called when the request is over. */
  readonly until: (end: () => void) => void;
  readonly used: (
    model: ServedModel,
  ) => (usage: Parameters<Metrics['used']>[1], firstTokenMs: number) => void;
  /** The answer is a stream. @returns what is called at its end */
  readonly streamed: () => (error?: unknown) => void;
}

/** @throws {ApiError} 400 for what is no JSON, 413 for more than there may be, 415 for what does not say that it is JSON */
async function jsonBody(c: Ctx, mostBytes: number, signal: AbortSignal): Promise<unknown> {
  // a page of another origin may send anything but this without being asked
  if (!/^application\/json\b/iu.test(c.req.header('content-type') ?? '')) {
    throw new ApiError(415, 'the body must be JSON: content-type: application/json', {
      code: 'unsupported_media_type',
    });
  }
  const text = await bodyText(c, mostBytes, signal);
  if (hasManyValues(text)) throw badRequest('the body has too many values', undefined, 'invalid_json');
  let body: unknown;
  try {
    body = JSON.parse(text) as unknown;
  } catch {
    throw badRequest('the body is no JSON', undefined, 'invalid_json');
  }
  if (depthOf(body) > MOST_LEVELS)
    throw badRequest(`the body has more than ${MOST_LEVELS} levels`, undefined, 'invalid_json');
  return body;
}

/** Levels of a body: what works on it later may call itself. */
const MOST_LEVELS = 64;

/** How deep a document is, as far as that matters. */
function depthOf(body: unknown): number {
  let level: unknown[] = [body];
  let depth = 0;
  while (level.length > 0 && depth <= MOST_LEVELS) {
    depth++;
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? (Object.values(value) as unknown[]) : [],
    );
  }
  return depth;
}

/**
 * A body's text. (Hono's own limit makes a request anew whose length is not said, and Node's adapter does not take that.)
 * @throws {ApiError} 413; what the signal was aborted with
 */
async function bodyText(c: Ctx, most: number, signal: AbortSignal): Promise<string> {
  const tooLarge = (): ApiError =>
    new ApiError(413, `the body has more than ${most} bytes`, { code: 'body_too_large' });
  const declared =
    c.req.header('transfer-encoding') === undefined ? c.req.header('content-length') : undefined;
  if (Number(declared ?? 0) > most) throw tooLarge();
  if (declared !== undefined || c.req.raw.body === null)
    return abortable(c.req.text(), signal, () => undefined);
  const reader = c.req.raw.body.getReader();
  const chunks: Uint8Array[] = [];
  for (let size = 0; ;) {
    const { done, value } = await abortable(reader.read(), signal, () => undefined);
    if (done) return new TextDecoder().decode(Buffer.concat(chunks));
    size += value.length;
    chunks.push(value);
    if (size <= most) continue;
    await discard(reader, 4 * most);
    throw tooLarge();
  }
}

/** Reads what nobody wants of a body, so many bytes and two seconds at most. */
async function discard(reader: ReadableStreamDefaultReader<Uint8Array>, most: number): Promise<void> {
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), 2000);
  let size = 0;
  try {
    while (size <= most) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
    }
  } catch {
    // the client went away
  } finally {
    clearTimeout(timer);
  }
}

function outcome(error: unknown, gone: boolean): 'ok' | 'refused' | 'aborted' | 'failed' {
  if (error === undefined) return 'ok';
  if (gone) return 'aborted';
  return apiError(error).status < 500 ? 'refused' : 'failed';
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
