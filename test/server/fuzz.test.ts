// Requests that nobody means well with: each is refused with a 4xx and a sentence, and leaves nothing behind.
// FASTV_FUZZ=10000 for the full number.
import { connect } from 'node:net';
import fc from 'fast-check';
import { pino } from 'pino';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve, type RunningServer } from '../../src/server/serve.js';
import { sceneUrl } from './scene-turn.js';

const RUNS = Number(process.env['FASTV_FUZZ'] ?? 300);
const MODEL = 'scenes-llava';
let server: RunningServer;
let url = '';
beforeAll(async () => {
  server = await serve({
    port: 0,
    logger: pino({ level: 'silent' }),
    limits: { bodyBytes: 2 ** 20, imagePixels: 4e6, images: 4, outputTokens: 8, seconds: 60 },
  });
  await server.loaded;
  url = await sceneUrl('color', 1);
});
afterAll(async () => {
  expect(await gauge('fastv_requests_inside')).toBe(0);
  expect(await gauge('fastv_sequences_running')).toBe(0);
  await server.close();
});

const SCHEMA = {
  type: 'object',
  properties: { a: { enum: ['x', 'y'] }, b: { type: 'array', items: { $ref: '#/$defs/c' }, maxItems: 2 } },
  required: ['a', 'b'],
  additionalProperties: false,
  $defs: { c: { type: 'integer', minimum: 0, maximum: 9 } },
};
const NAMED = { name: 'look', description: 'Looks.', parameters: SCHEMA, strict: true };
const TEXT = 'What color is the background?';

/** Requests that are valid, as far as nothing is put into them, by what they ask. */
const VALID = {
  plain: () => ({ ...valid(), stop: ['x'], n: 2, seed: 1, temperature: 1, top_p: 0.5, logprobs: true }),
  tools: () => ({
    ...valid(),
    tools: [{ type: 'function', function: NAMED }],
    tool_choice: { type: 'function', function: { name: 'look' } },
    parallel_tool_calls: false,
  }),
  called: () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } };
    const { messages } = valid();
    const more = [
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: '3' },
    ];
    return { ...valid(), messages: [...messages, ...more], tools: [{ type: 'function', function: NAMED }] };
  },
  format: () => ({
    ...valid(),
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema: SCHEMA, strict: true } },
  }),
  plan: () => ({ ...valid(), fastv: { layer: 2, ratio: 0.5, strategy: 'attention' } }),
  video: () => {
    const part = { type: 'video_url', video_url: { url } };
    return { ...valid(), messages: [{ role: 'user', content: [part, { type: 'text', text: TEXT }] }] };
  },
  response: () => ({
    model: MODEL,
    instructions: 'Be brief.',
    input: [
      { role: 'user', content: [{ type: 'input_image', image_url: url, detail: 'low' }] },
      { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_1', output: '3' },
      { role: 'user', content: TEXT },
    ],
    text: { format: { type: 'json_schema', name: 'x', schema: SCHEMA } },
    max_output_tokens: 2,
    store: false,
  }),
  'response with tools': () => ({
    ...{ model: MODEL, input: TEXT, max_output_tokens: 2, tool_choice: { type: 'function', name: 'look' } },
    tools: [{ type: 'function', ...NAMED }],
  }),
} satisfies Record<string, () => Record<string, unknown>>;
const KINDS = Object.keys(VALID) as (keyof typeof VALID)[];

/** A chat about a picture. */
function valid(): { model: string; messages: object[]; max_tokens: number } {
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: TEXT },
  ];
  return { model: MODEL, messages: [{ role: 'user', content }], max_tokens: 2 };
}

/** Fields that the requests above do not have. */
const OTHERS = [
  ...['model', 'messages', 'top_logprobs', 'logit_bias', 'stream', 'stream_options', 'user', 'functions'],
  ...[
    'max_completion_tokens',
    'frequency_penalty',
    'presence_penalty',
    'fastv',
    'fastv.budget',
    'fastv.seed',
  ],
  ...['fastv.layer', 'fastv.strategy', 'fastv.weights', 'fastv.merge', 'fastv.preset', 'fastv.ratio'],
  ...['messages.0.content.0.image_url.detail', 'messages.0.content.0.video_url.detail', 'messages.0.name'],
  ...['tools', 'tool_choice', 'response_format', 'text', 'instructions', 'previous_response_id'],
  ...['unknown', '__proto__', 'constructor', 'toString'],
];

/** Paths to all that is in a request. */
function pathsIn(value: unknown, before = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, held]) => [
    before + name,
    ...pathsIn(held, `${before}${name}.`),
  ]);
}

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    ...[1e308, -1, 1.5, '', 'x'.repeat(5000), '\0', '<image>', '\ud800', null, [], {}, 2 ** 53],
  ),
  fc.constantFrom<unknown>(
    ...['data:image/png;base64,', 'data:,x', 'http://127.0.0.1/', 'file:///etc/passwd', 'javascript:1'],
  ),
  // what fits somewhere
  fc.constantFrom<unknown>(
    ...['auto', 'required', 'none', 'low', 'system', 'tool', 'look', 'json_object', 'function', 'random'],
    ...['sizes', 'mean', 3, [2, 4], [0.5], true, 0, { $ref: '#' }, { anyOf: [] }, { $ref: '#/$defs/c' }],
  ),
  fc.base64String({ maxLength: 400 }).map((text): unknown => `data:image/png;base64,${text}`),
);

/** A request with values put to random places. */
const changed = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    changes: fc.array(fc.record({ at: fc.nat(), value }), { minLength: 1, maxLength: 3 }),
  })
  .map(({ kind, changes }) => {
    let body = JSON.stringify(VALID[kind]());
    for (const change of changes) {
      const request = JSON.parse(body) as Record<string, unknown>;
      const paths = [...pathsIn(request), ...OTHERS];
      body = put(request, paths[change.at % paths.length] ?? '', change.value);
    }
    return { body, route: kind.startsWith('response') ? 'responses' : 'chat/completions' };
  });

function put(request: Record<string, unknown>, path: string, value: unknown): string {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let place: Record<string, unknown> = request;
  for (const name of names) {
    const next = place[name];
    if (typeof next !== 'object' || next === null)
      Object.defineProperty(place, name, { value: {}, enumerable: true });
    place = place[name] as Record<string, unknown>;
  }
  // as JSON, so that __proto__ is a key like any other
  Object.defineProperty(place, last, { value, enumerable: true, configurable: true, writable: true });
  return JSON.stringify(request);
}

/** Asks once more where the connection was one that the server closed just then, because it was idle. */
function ask(path: string, init: RequestInit): Promise<Response> {
  const once = (): Promise<Response> => fetch(`${server.url}/${path}`, init);
  return once().catch(once);
}

async function send(body: string, route = 'chat/completions'): Promise<void> {
  const response = await ask(`v1/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const text = await response.text();
  if (response.status === 200) return;
  expect(response.status, `${text} for ${body.slice(0, 300)}`).toBeGreaterThanOrEqual(400);
  expect(response.status, `${text} for ${body.slice(0, 300)}`).toBeLessThan(500);
  const { error } = JSON.parse(text) as { error: { message: string } };
  expect(error.message.length).toBeGreaterThan(5);
  expect(text).not.toMatch(/node_modules|\.ts:|\.js:/u);
}

async function gauge(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'mu').exec(text)?.[1]);
}

describe('requests', () => {
  it(
    'that were changed at random places',
    async () => {
      const property = fc.asyncProperty(changed, ({ body, route }) => send(body, route));
      await fc.assert(property, { numRuns: Math.ceil(RUNS * 0.6) });
    },
    RUNS * 2000,
  );

  it('that are valid, before anything is put into them', async () => {
    for (const kind of KINDS) {
      const route = kind.startsWith('response') ? 'responses' : 'chat/completions';
      const response = await ask(`v1/${route}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(VALID[kind]()),
      });
      expect(response.status, `${kind}: ${await response.text()}`).toBe(200);
    }
  });

  it(
    'for other paths, by other methods',
    async () => {
      const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH');
      const path = fc.oneof(
        fc.constantFrom('v1/models', 'v1/models/', 'health', 'metrics', 'openapi.json', '', '%', '//', '..'),
        fc.webPath().map((text) => text.slice(1)),
        fc
          .string({ unit: 'binary', maxLength: 300 })
          .map((text) => `v1/models/${encodeURIComponent(Buffer.from(text).toString())}`),
      );
      const property = fc.asyncProperty(method, path, async (verb, where) => {
        const response = await ask(where, { method: verb });
        const text = await response.text();
        expect(response.status, `${verb} ${where}: ${text}`).toBeLessThan(500);
        expect(text).not.toMatch(/node_modules|\.ts:|\.js:/u);
      });
      await fc.assert(property, { numRuns: Math.ceil(RUNS * 0.1) });
    },
    RUNS * 2000,
  );

  it(
    'that are no JSON, or end too early',
    async () => {
      const whole = JSON.stringify(valid());
      const broken = fc.oneof(
        fc.nat({ max: whole.length - 1 }).map((length) => whole.slice(0, length)),
        fc
          .tuple(fc.nat({ max: whole.length - 1 }), fc.string({ minLength: 1, maxLength: 3 }))
          .map(([at, text]) => whole.slice(0, at) + text + whole.slice(at + 1)),
        fc.string(),
      );
      await fc.assert(
        fc.asyncProperty(broken, (body) => send(body)),
        { numRuns: Math.ceil(RUNS * 0.2) },
      );
    },
    RUNS * 2000,
  );

  it('that are deep, or bombs', async () => {
    const nested = '['.repeat(100_000) + ']'.repeat(100_000);
    await send(nested);
    await send(`{"model":"${MODEL}","messages":${nested}}`);
    await send(`{"model":"${MODEL}","messages":[${'{"role":"user","content":"x"},'.repeat(20_000)}{}]}`);
    for (const [width, height] of [
      [1, 1],
      [10_000, 10_000],
      [1, 60_000],
    ] as const) {
      const png = await sharp({ create: { width, height, channels: 3, background: 'white' } })
        .png({ compressionLevel: 9 })
        .toBuffer();
      await send(
        put(valid(), 'messages.0.content.0.image_url.url', `data:image/png;base64,${png.toString('base64')}`),
      );
    }
  });

  it(
    'whose clients hang up, at once or in the middle',
    async () => {
      const body = JSON.stringify({ ...valid(), stream: true });
      const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
      const whole = head + body;
      const cut = fc.tuple(fc.nat({ max: whole.length }), fc.nat({ max: 150 }));
      const property = fc.asyncProperty(cut, async ([length, wait]) => {
        const socket = connect(server.port, '127.0.0.1');
        socket.on('error', () => undefined);
        socket.resume();
        socket.write(whole.slice(0, length));
        await new Promise((resolve) => setTimeout(resolve, wait));
        socket.destroy();
      });
      await fc.assert(property, { numRuns: Math.ceil(RUNS * 0.1) });
      for (let i = 0; i < 300 && (await gauge('fastv_requests_inside')) > 0; i++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await send(JSON.stringify(valid()));
    },
    RUNS * 2000,
  );
});
