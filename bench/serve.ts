/**
 * The server under load, by autocannon: `npm run bench:serve [seconds] [rounds]`. Loads take turns, so that a busy machine
 * is busy for all of them; told are medians of the rounds.
 *
 * 1. Long answers about one picture at 1 and 8 clients: tokens a second of decoding, which is batched. The prompt is in the
 *    cache, so that next to nothing else is computed.
 * 2. Answers of 16 tokens about pictures, at 1, 4, 16 and 64 clients and R = 0, 50, 75 %: requests and tokens a second, and
 *    the time to the first token. Nothing is cached, so that every prefill is computed. Beside what R = 50 % takes off the
 *    95th percentile stands what the prefill alone would: its share of the time without pruning, times what R takes off it.
 *    That share is of the first token's time with one client, and with more, who wait for each other, of the server's.
 */
import { cpus } from 'node:os';
import autocannon from 'autocannon';
import { bodyOf, ENDLESS, startServed } from './served.js';
import { printTable } from './print.js';

const SECONDS = Number(process.argv[2] ?? 20);
const ROUNDS = Number(process.argv[3] ?? 3);
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
console.log(`${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}\n`);
const decoding = await startServed({});
try {
  const long = await bodyOf('caption', 1, { ...stream, max_tokens: 128 });
  const rates: number[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [alone, eight] = [await load(decoding.url, 1, long), await load(decoding.url, 8, long)].map(
      ({ tokens, seconds }) => tokens / seconds,
    );
    if (alone !== undefined && eight !== undefined) rates.push([alone, eight, eight / alone]);
  }
  printTable(
    ['answers of 128 tokens', '1 client, tokens/s', '8 clients', '8 over 1'],
    [['', ...[0, 1, 2].map((of) => median(rates.map((one) => one[of] ?? NaN)).toFixed(of === 2 ? 2 : 1))]],
  );
} finally {
  await decoding.stop();
}
const server = await startServed({ prefixCacheBytes: 0, visionCacheBytes: 0, queue: 128 });
try {
  const loads = new Map<string, Load[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const clients of CLIENTS) {
      for (const ratio of RATIOS) {
        const body = await bodyOf('caption', 1, { ...stream, max_tokens: 16, fastv: { ratio } });
        const key = `${clients} ${ratio}`;
        loads.set(key, [...(loads.get(key) ?? []), await load(server.url, clients, body)]);
      }
    }
  }
  printTable(
    [
      ...['clients', 'R', 'requests/s', 'tokens/s', 'first token p50, ms', 'p95, ms', 'p95 lower by'],
      ...['prefill alone would', 'prefill p50, ms', 'failed'],
    ],
    CLIENTS.flatMap((clients) =>
      RATIOS.map((ratio) => {
        const of = (what: (one: Load) => number, R = ratio): number =>
          median((loads.get(`${clients} ${R}`) ?? []).map(what));
        const p95 = (one: Load): number => quantile(one.firstToken, 0.95);
        const prefill = (one: Load): number => quantile(one.prefill, 0.5);
        const rate = ({ requests, seconds }: Load): number => requests / seconds;
        const each = clients === 1 ? of((one) => quantile(one.firstToken, 0.5), 0) : 1000 / of(rate, 0);
        return [
          String(clients),
          `${ratio * 100} %`,
          of(rate).toFixed(2),
          of(({ tokens, seconds }) => tokens / seconds).toFixed(1),
          of((one) => quantile(one.firstToken, 0.5)).toFixed(0),
          of(p95).toFixed(0),
          percent(1 - of(p95) / of(p95, 0)),
          percent((of(prefill, 0) - of(prefill)) / each),
          of(prefill).toFixed(0),
          of(({ failed }) => failed).toFixed(0),
        ];
      }),
    ),
  );
} finally {
  await server.stop();
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
