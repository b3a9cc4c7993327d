// The queue against a real Redis, with workers that are killed. Where redis-server is not installed, the tests say so.
// FASTV_QUEUE=100000 npx vitest run src/eval/queue asks so many questions of four workers, one of which is killed each second.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { build } from 'esbuild';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openBatchQueue } from '../../server/batch-queue.js';
import { failuresFile, runBatch } from '../../server/batch.js';
import { prunedCondition, UNPRUNED } from '../answerer.js';
import { runEvaluation, type RunOptions } from '../runner.js';
import { simulatedAnswerer } from '../simulated.js';
import { findTasks } from '../tasks/index.js';
import { evaluateOnQueue } from './coordinator.js';
import { QUEUE } from './queued-run.js';

const HAS_REDIS = spawnSync('redis-server', ['--version']).status === 0;
if (!HAS_REDIS)
  console.warn('redis-server is not installed: the queue is not tested (apt-get install redis-server)');

const root = mkdtempSync(join(tmpdir(), 'fastv-queue-'));
/** Questions of the great test: samples of two tasks under two conditions. */
const GREAT = Number(process.env['FASTV_QUEUE'] ?? '0');
const MODEL = GREAT > 0 ? 'simulated:5' : 'simulated:2';
const options = (out: string, part: Partial<RunOptions> = {}): RunOptions => ({
  out: join(root, out),
  tasks: findTasks(['scenes-existence', 'scenes-color']),
  conditions: [UNPRUNED, prunedCondition(2, 0.5)],
  limit: 150,
  ...part,
});
const bytes = (out: string, name: string): string => readFileSync(join(root, out, name), 'utf8');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe.skipIf(!HAS_REDIS)('a queue', () => {
  // as deep as src/scenes, from where the assets are found
  const bundles = join(process.cwd(), '.cache', `queue-${process.pid}`);
  let port = 0;
  let redis: ChildProcess;
  const workers = new Set<ChildProcess>();
  const url = (): string => `redis://127.0.0.1:${port}`;

  /** Without persistence: what it holds is gone when it ends. */
  async function startRedis(): Promise<void> {
    redis = spawn(
      'redis-server',
      ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', root],
      {
        stdio: 'ignore',
      },
    );
    for (let i = 0; i < 100; i++) {
      if (
        spawnSync('redis-cli', ['-p', String(port), 'ping'])
          .stdout.toString()
          .includes('PONG')
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  function startWorker(): ChildProcess {
    const worker = spawn(process.execPath, [join(bundles, 'queue-worker.mjs'), url()], { stdio: 'ignore' });
    workers.add(worker);
    worker.on('exit', () => workers.delete(worker));
    return worker;
  }

  beforeAll(async () => {
    await build({
      entryPoints: ['test/eval/queue-worker.ts', 'src/cli/queue-child.ts'],
      outdir: bundles,
      entryNames: '[name]',
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    });
    port = await freePort();
    await startRedis();
  }, 60_000);
  afterEach(() => {
    for (const worker of workers) worker.kill('SIGKILL');
  });
  afterAll(() => {
    redis.kill('SIGKILL');
  });

  it(
    'gives byte for byte what one machine gives, though workers are killed and Redis is restarted',
    async () => {
      const great = GREAT > 0 ? { limit: GREAT / 4 } : {};
      await runEvaluation(simulatedAnswerer(MODEL), options('straight', great));
      const started = performance.now();
      for (let i = 0; i < (GREAT > 0 ? 4 : 2); i++) startWorker();
      let restarted = false;
      let killed = 0;
      const killing = setInterval(
        () => {
          const victim = [...workers][Math.floor(Math.random() * workers.size)];
          if (victim?.kill('SIGKILL') === true) killed++;
          startWorker();
        },
        GREAT > 0 ? 1000 : 4000,
      );
      const progress = {
        update(done: number) {
          if (done < Math.max(200, GREAT / 3) || restarted) return;
          restarted = true;
          redis.on('exit', () => void startRedis());
          redis.kill('SIGKILL');
        },
        end: () => undefined,
      };
      try {
        const queue = { url: url(), model: { model: MODEL }, chunk: GREAT > 0 ? 100 : 10, interval: 50 };
        const { summary } = await evaluateOnQueue(options('queued', { progress, ...great }), queue);
        expect(summary.complete).toBe(true);
        if (GREAT > 0)
          console.log(`${GREAT} questions, ${killed} workers killed, ${performance.now() - started} ms`);
      } finally {
        clearInterval(killing);
      }
      expect(restarted).toBe(true);
      for (const name of ['results.jsonl', 'summary.json'])
        expect(bytes('queued', name)).toBe(bytes('straight', name));
    },
    Math.max(240_000, 40 * GREAT),
  );

  it('asks nothing again, and goes on where it was ended', async () => {
    const queue = { url: url(), model: { model: MODEL }, chunk: 10, interval: 50 };
    const stop = new AbortController();
    startWorker();
    const ended = await evaluateOnQueue(
      options('ended', {
        signal: stop.signal,
        progress: {
          update: (done) => {
            if (done > 100) stop.abort();
          },
          end: () => undefined,
        },
      }),
      queue,
    );
    expect(ended.summary.complete).toBe(false);
    const { summary } = await evaluateOnQueue(options('ended'), queue);
    expect(summary.complete).toBe(true);
    expect(bytes('ended', 'results.jsonl')).toBe(bytes('straight', 'results.jsonl'));
    for (const worker of workers) worker.kill('SIGKILL');
    // no worker is left: everything is known
    expect((await evaluateOnQueue(options('ended'), queue)).summary.complete).toBe(true);
  }, 120_000);

  it('ends a chunk that cannot be answered with its error, and keeps all others', async () => {
    startWorker();
    const run = evaluateOnQueue(options('poisoned', { tasks: findTasks(['scenes-size']), limit: 20 }), {
      ...{ url: url(), chunk: 10, interval: 50 },
      model: { model: 'simulated:none' },
    });
    await expect(run).rejects.toMatchObject({
      code: 'inference',
      message: expect.stringMatching(/^2 chunks failed for good; the first: a simulated model/) as string,
    });
  }, 120_000);

  it('answers a batch of requests by the same workers', async () => {
    startWorker();
    const background = { r: 200, g: 10, b: 10 };
    const picture = await sharp({ create: { width: 96, height: 96, channels: 3, background } })
      .png()
      .toBuffer();
    const image = {
      type: 'image_url',
      image_url: { url: `data:image/png;base64,${picture.toString('base64')}` },
    };
    const body = (text: string) => ({
      messages: [{ role: 'user', content: [image, { type: 'text', text }] }],
      max_tokens: 4,
    });
    const requests = ['1', '2', '3'].map((custom_id) => ({
      ...{ custom_id, method: 'POST', url: '/v1/chat/completions' },
      // one that no model answers
      body: custom_id === '3' ? { messages: 'none' } : body('Is there a red circle?'),
    }));
    const input = join(root, 'requests.jsonl');
    writeFileSync(input, requests.map((one) => JSON.stringify(one)).join('\n'));
    const queue = await openBatchQueue(url(), { layer: 2, ratio: 0.5 }, 50);
    try {
      const files = { input, output: join(root, 'answers.jsonl') };
      const { answer } = queue;
      const outcome = await runBatch({ ...files, answer, portion: 2, concurrency: 4 });
      expect(outcome).toEqual({ answered: 2, before: 0, failed: 1, complete: true });
      const lines = readFileSync(files.output, 'utf8').trim().split('\n');
      expect(lines.map((text) => JSON.parse(text) as unknown)).toEqual(
        ['1', '2'].map((custom_id) => {
          const body = expect.objectContaining({ object: 'chat.completion' }) as unknown;
          const response = expect.objectContaining({ status_code: 200, body }) as unknown;
          return expect.objectContaining({ custom_id, response }) as unknown;
        }),
      );
      expect(readFileSync(failuresFile(files.output), 'utf8')).toContain('"status_code":400');
    } finally {
      await queue.close();
    }
  }, 120_000);

  it('takes answers that came between two looks at their job', async () => {
    const connection = { url: url(), maxRetriesPerRequest: null };
    const observer = new Queue(QUEUE, { connection });
    const getJob = observer.getJob.bind(observer);
    const getJobState = observer.getJobState.bind(observer);
    let looked: () => void = () => undefined;
    const firstLook = new Promise<void>((resolve) => (looked = resolve));
    /** What a look saw, handed over once the job has ended. */
    const late = async <T>(id: string, seen: T): Promise<T> => {
      if (seen === undefined || seen === 'unknown') return seen;
      looked();
      while ((await getJobState(id)) !== 'completed') await new Promise((resolve) => setTimeout(resolve, 5));
      return seen;
    };
    vi.spyOn(Queue.prototype, 'getJob').mockImplementation(async (id) => late(id, await getJob(id)));
    vi.spyOn(Queue.prototype, 'getJobState').mockImplementation(async (id) =>
      late(id, await getJobState(id)),
    );
    const answered = [{ custom_id: '1', response: { status_code: 200, body: {} }, error: null }];
    const worker = new Worker(
      QUEUE,
      async () => {
        await firstLook;
        return answered;
      },
      { connection },
    );
    const queue = await openBatchQueue(url(), { layer: 2, ratio: 0.5 }, 20);
    try {
      const request = { custom_id: '1', url: '/v1/chat/completions', body: {} };
      expect(await queue.answer([request])).toEqual(answered);
    } finally {
      vi.restoreAllMocks();
      await queue.close();
      await worker.close();
      await observer.close();
    }
  }, 60_000);

  it('says that nobody answers, or what an address looks like', async () => {
    const at = (address: string) => evaluateOnQueue(options('nobody'), { url: address, model: {} });
    await expect(at('http://localhost')).rejects.toMatchObject({ code: 'invalid-option', where: '--queue' });
    const nobody = at(`redis://user:secret@127.0.0.1:${await freePort()}`);
    await expect(nobody).rejects.toMatchObject({ code: 'io' });
    await expect(nobody).rejects.not.toMatchObject({ where: expect.stringContaining('secret') as string });
  });
});
