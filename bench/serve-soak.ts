/**
 * The server for a long time: `npm run bench:soak [minutes] [clients]`. Clients ask questions, some as streams, and go away
 * at random; every answer that comes is compared with the library's. Resident memory and the server's own count of requests
 * are told at the end; it fails at a wrong answer, a stuck place, or memory that grew by more than 5 % after the first third.
 */
import { readFileSync } from 'node:fs';
import { openModel } from '../src/runtime/model.js';
import { Random } from '../src/scenes/random.js';
import { EMBEDDED_FOLDER } from './scene-files.js';
import { bodyOf, question, startServed } from './served.js';
import { printTable } from './print.js';

const MINUTES = Number(process.argv[2] ?? 30);
const CLIENTS = Number(process.argv[3] ?? 16);
const KINDS = ['caption', 'color', 'count-all', 'existence'] as const;
const RATIOS = [0, 0.5, 0.75];
const MOST_GROWTH = 0.05;

const model = await openModel(EMBEDDED_FOLDER, {
  loading: { dtype: 'fp32', device: 'cpu' },
  fastv: { layer: 2, ratio: 0.5, cache: false, onWarning: () => undefined },
});
const questions = await Promise.all(
  Array.from({ length: 12 }, async (_, i) => {
    const [kind, ratio] = [KINDS[i % KINDS.length] ?? 'color', RATIOS[i % RATIOS.length] ?? 0];
    const { text, image } = question(kind, i);
    const asked = [{ role: 'user', text, images: [image] }] as const;
    const answer = await model.ask(asked, { maxNewTokens: 48, ratio });
    const body = (stream: boolean): Promise<string> =>
      bodyOf(kind, i, { stream, max_tokens: 48, fastv: { ratio } });
    return { answer: answer.text, whole: await body(false), stream: await body(true) };
  }),
);
await model.close();

const server = await startServed({
  queue: 2 * CLIENTS,
  prefixCacheBytes: 32 * 2 ** 20,
  visionCacheBytes: 8 * 2 ** 20,
});
const counts = { answered: 0, aborted: 0, wrong: 0, failed: 0 };
const memory: number[] = [];
const end = performance.now() + MINUTES * 60_000;
const sampling = setInterval(() => memory.push(residentMegabytes(server.child.pid)), 2000);
await Promise.all(Array.from({ length: CLIENTS }, (_, i) => ask(new Random(i))));
clearInterval(sampling);
await new Promise((resolve) => setTimeout(resolve, 2000));
const metrics = await (await fetch(`${server.url}/metrics`)).text();
const stuck = Number(/^fastv_requests_inside\{[^}]*\} (\d+)/mu.exec(metrics)?.[1]);
await server.stop();

const settled = memory.slice(Math.floor(memory.length / 3));
const third = Math.ceil(settled.length / 3);
const [before, after] = [median(settled.slice(0, third)), median(settled.slice(-third))];
const growth = after / before - 1;
printTable(
  ['answered', 'aborted', 'wrong', 'failed', 'stuck', 'memory, MB', 'growth'],
  [
    [
      ...[counts.answered, counts.aborted, counts.wrong, counts.failed, stuck].map(String),
      `${before.toFixed(0)} to ${after.toFixed(0)}`,
      `${(growth * 100).toFixed(1)} %`,
    ],
  ],
);
if (counts.wrong + counts.failed + stuck > 0 || growth > MOST_GROWTH) process.exitCode = 1;

async function ask(random: Random): Promise<void> {
  while (performance.now() < end) {
    const { answer, whole, stream } = random.pick(questions);
    const streamed = random.chance(50);
    const stop = new AbortController();
    const goesAway = random.chance(30);
    const timer = goesAway
      ? setTimeout(() => {
          stop.abort();
        }, random.int(1500))
      : undefined;
    try {
      const response = await fetch(`${server.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: streamed ? stream : whole,
        signal: stop.signal,
      });
      const text = await response.text();
      if (response.status !== 200) counts.failed++;
      else if (said(text, streamed) === answer) counts.answered++;
      else counts.wrong++;
    } catch {
      if (stop.signal.aborted) counts.aborted++;
      else counts.failed++;
    }
    clearTimeout(timer);
  }
}

function said(text: string, streamed: boolean): string {
  interface Part {
    readonly choices?: readonly {
      readonly message?: { content: string };
      readonly delta?: { content?: string };
    }[];
  }
  const documents = streamed
    ? text
        .split('\n')
        .filter((line) => line.startsWith('data: {'))
        .map((line) => line.slice(6))
    : [text];
  return documents
    .flatMap((one) => (JSON.parse(one) as Part).choices ?? [])
    .map(({ message, delta }) => message?.content ?? delta?.content ?? '')
    .join('');
}

/** Of a process on Linux. */
function residentMegabytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid ?? 0}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/u.exec(status)?.[1]) / 1024;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
