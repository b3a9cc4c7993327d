/**
 * The server under load, by autocannon: `npm run bench:serve [seconds]`.
 *
 * 1. Answers of 16 tokens about pictures, at 1, 4, 16 and 64 clients and R = 0, 50, 75 %: requests and tokens a second, and
 *    the time to the first token. Nothing is cached, so that every prefill is computed.
 * 2. Long answers about one picture at 1 and 8 clients: tokens a second of decoding, which is batched.
 */
import autocannon from 'autocannon';
import { bodyOf, ENDLESS, startServed } from './served.js';
import { printTable } from './print.js';

const SECONDS = Number(process.argv[2] ?? 20);
const CLIENTS = [1, 4, 16, 64];
const RATIOS = [0, 0.5, 0.75];

/** What one load gave. */
interface Load {
  readonly requests: number;
  readonly tokens: number;
  /** Milliseconds. */
  readonly firstToken: readonly number[];
  /** Milliseconds inside the decoder's prefill, of each request. */
  readonly prefill: readonly number[];
  readonly failed: number;
  readonly seconds: number;
}

async function load(url: string, clients: number, body: string): Promise<Load> {
  const firstToken: number[] = [];
  const prefill: number[] = [];
  let tokens = 0;
  const start = performance.now();
  const result = await autocannon({
    url: `${url}/v1/chat/completions`,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    connections: clients,
    duration: SECONDS,
    timeout: 120,
    setupClient: (client) => {
      let sent = performance.now();
      let seen = false;
      client.on('body', (chunk) => {
        const text = chunk.toString();
        if (!seen && /"content":"[^"]/u.test(text)) {
          seen = true;
          firstToken.push(performance.now() - sent);
        }
        tokens += Number(/"completion_tokens":(\d+)/u.exec(text)?.[1] ?? 0);
        const ms = /"prefill":([\d.]+)/u.exec(text)?.[1];
        if (ms !== undefined) prefill.push(Number(ms));
      });
      client.on('response', () => {
        sent = performance.now();
        seen = false;
      });
    },
  });
  const seconds = (performance.now() - start) / 1000;
  return {
    requests: result['2xx'],
    tokens,
    firstToken,
    prefill,
    failed: result.non2xx + result.errors,
    seconds,
  };
}

const stream = { stream: true, stream_options: { include_usage: true }, ...ENDLESS };
const server = await startServed({ prefixCacheBytes: 0, visionCacheBytes: 0, queue: 128 });
try {
  const rows: string[][] = [];
  for (const clients of CLIENTS) {
    for (const ratio of RATIOS) {
      const body = await bodyOf('caption', 1, { ...stream, max_tokens: 16, fastv: { ratio } });
      const one = await load(server.url, clients, body);
      rows.push([
        String(clients),
        `${ratio * 100} %`,
        (one.requests / one.seconds).toFixed(2),
        (one.tokens / one.seconds).toFixed(1),
        ...[0.5, 0.95].map((share) => quantile(one.firstToken, share).toFixed(0)),
        quantile(one.prefill, 0.5).toFixed(0),
        String(one.failed),
      ]);
    }
  }
  printTable(
    ['clients', 'R', 'requests/s', 'tokens/s', 'first token p50, ms', 'p95, ms', 'prefill p50, ms', 'failed'],
    rows,
  );
  const long = await bodyOf('caption', 1, { ...stream, max_tokens: 128 });
  const alone = await load(server.url, 1, long);
  const eight = await load(server.url, 8, long);
  const rate = ({ tokens, seconds }: Load): number => tokens / seconds;
  printTable(
    ['answers of 128 tokens', 'tokens/s'],
    [
      ['1 client', rate(alone).toFixed(1)],
      ['8 clients', rate(eight).toFixed(1)],
      ['8 over 1', `${(rate(eight) / rate(alone)).toFixed(2)}x`],
    ],
  );
} finally {
  await server.stop();
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
