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
    limits: { bodyBytes: 2 ** 20, imagePixels: 4e6, images: 4, outputTokens: 8, seconds: 5 },
  });
  await server.loaded;
  url = await sceneUrl('color', 1);
});
afterAll(async () => {
  expect(await gauge('fastv_requests_inside')).toBe(0);
  expect(await gauge('fastv_sequences_running')).toBe(0);
  await server.close();
});

/** A request that is valid, as far as nothing is put into it. */
function valid(): Record<string, unknown> {
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: 'What color is the background?' },
  ];
  return { model: MODEL, messages: [{ role: 'user', content }], max_tokens: 2 };
}

/** A path into a request, and what comes to stand there. */
const change = fc.record({
  path: fc.constantFrom(
    ...['model', 'messages', 'messages.0', 'messages.0.role', 'messages.0.content', 'messages.0.content.0'],
    ...['messages.0.content.0.type', 'messages.0.content.0.image_url', 'messages.0.content.0.image_url.url'],
    ...[
      'messages.0.content.0.image_url.detail',
      'messages.0.content.1.text',
      'max_tokens',
      'temperature',
      'top_p',
    ],
    ...[
      'n',
      'seed',
      'stop',
      'logprobs',
      'top_logprobs',
      'logit_bias',
      'response_format',
      'stream',
      'stream_options',
    ],
    ...['fastv', 'fastv.ratio', 'fastv.budget', 'tools', 'unknown', '__proto__', 'constructor', 'toString'],
  ),
  value: fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>(
      1e308,
      -1,
      1.5,
      '',
      'x'.repeat(5000),
      '\0',
      '<image>',
      '\ud800',
      null,
      [],
      {},
      2 ** 53,
    ),
    fc.constantFrom<unknown>(
      'data:image/png;base64,',
      'data:,x',
      'http://127.0.0.1/',
      'file:///etc/passwd',
      'javascript:1',
    ),
    fc.base64String({ maxLength: 400 }).map((text): unknown => `data:image/png;base64,${text}`),
  ),
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

async function send(body: string): Promise<void> {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
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
      const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let body = JSON.stringify(valid());
        for (const { path, value } of changes)
          body = put(JSON.parse(body) as Record<string, unknown>, path, value);
        await send(body);
      });
      await fc.assert(property, { numRuns: Math.ceil(RUNS * 0.6) });
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
      await fc.assert(fc.asyncProperty(broken, send), { numRuns: Math.ceil(RUNS * 0.3) });
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
