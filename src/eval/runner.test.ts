import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeAnswerer } from '../../test/eval/fake-answerer.js';
import { FastvError } from '../errors.js';
import { Random } from '../scenes/random.js';
import { downsampledCondition, prunedCondition, UNPRUNED, type Condition } from './answerer.js';
import { sampleMetric } from './metrics/metric.js';
import type { Result } from './result.js';
import { evaluate, runEvaluation, type RunOptions } from './runner.js';
import type { Summary } from './summary.js';
import { findTasks } from './tasks/index.js';
import { parseTask } from './tasks/parse-task.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-run-'));
const data = join(root, 'data');
const task = parseTask(
  JSON.stringify({
    name: 'small',
    data: { kind: 'repository', repository: 'test/small', split: 'test' },
    images: { fields: ['image'] },
    prompt: ['{question}'],
    answer: { field: 'answer' },
    metric: 'exact-match',
    category: 'kind',
    maxTokens: 4,
  }),
  'small.json',
);
const truth = (prompt: string): string | undefined => prompt.split(' ').at(-1);

function writeRows(
  repository: string,
  count: number,
  change: (row: object, i: number) => object = (r) => r,
): void {
  mkdirSync(join(data, repository), { recursive: true });
  const rows = Array.from({ length: count }, (_, i) =>
    change(
      { question: `say ${i} w${i}`, answer: `w${i}`, kind: i % 2 === 0 ? 'even' : 'odd', image: 'a.png' },
      i,
    ),
  );
  writeFileSync(join(data, repository, 'test.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
}

beforeAll(async () => {
  for (const repository of ['test/small', 'test/bad', 'test/kill']) {
    mkdirSync(join(data, repository), { recursive: true });
    await sharp({ create: { width: 4, height: 4, channels: 3, background: '#123456' } })
      .png()
      .toFile(join(data, repository, 'a.png'));
  }
  writeRows('test/small', 40);
  writeRows('test/kill', 150);
  writeRows('test/bad', 10, (row, i) =>
    i === 3 ? { ...row, image: '../../x.png' } : i === 5 ? { ...row, answer: null } : row,
  );
});

const conditions: Condition[] = [UNPRUNED, prunedCondition(2, 0.5), prunedCondition(2, 0.9, 'random', 1)];
let runs = 0;
const options = (part: Partial<RunOptions> = {}): RunOptions => ({
  out: join(root, `run${runs++}`),
  tasks: [task],
  conditions,
  data: { folders: [data] },
  ...part,
});
const resultsOf = (out: string): Result[] =>
  readFileSync(join(out, 'results.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Result);

describe('runEvaluation', () => {
  it('asks every sample under every condition and keeps each result', async () => {
    const model = fakeAnswerer({ truth });
    const o = options({ batch: 4, about: { recipe: 'none' } });
    const summary = await runEvaluation(model, o);
    expect(model.asked).toHaveLength(120);
    expect(model.prepared).toEqual(conditions);
    // the inner loop goes over conditions: the same images come again at once
    expect(model.asked.slice(0, 9).map((a) => a.condition)).toEqual([
      ...new Array<string>(4).fill('unpruned'),
      ...new Array<string>(4).fill('K2-R50-attention'),
      'K2-R90-random-s1',
    ]);
    const results = resultsOf(o.out);
    expect(new Set(results.map((r) => r.key)).size).toBe(120);
    expect(JSON.parse(readFileSync(join(o.out, 'summary.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(summary)),
    );
    expect(summary).toMatchObject({
      complete: true,
      model: 'fake',
      about: { recipe: 'none' },
      skipped: { count: 0 },
    });
    const [unpruned, pruned, random] = summary.cells;
    expect(unpruned).toMatchObject({ samples: 40, loyalty: null, difference: null, metric: 'accuracy' });
    expect(pruned?.score).toBeLessThanOrEqual(unpruned?.score ?? 0);
    expect(random?.score).toBeLessThan(unpruned?.score ?? 0);
    expect(random?.difference?.estimate).toBeCloseTo((random?.score ?? 0) - (unpruned?.score ?? 0), 12);
    expect(random?.difference?.mcnemar).toBeLessThan(0.05);
    expect(pruned?.loyalty).toBeGreaterThan(random?.loyalty ?? 1);
    expect(pruned?.cost.flopsRatio).toBeLessThan(1);
    expect(unpruned?.categories['even']?.samples).toBe(20);
  });

  it('asks nothing twice, and only what is new', async () => {
    const o = options();
    await runEvaluation(fakeAnswerer({ truth }), o);
    const before = readFileSync(join(o.out, 'results.jsonl'), 'utf8');
    const again = fakeAnswerer({ truth });
    const summary = await runEvaluation(again, o);
    expect(again.asked).toEqual([]);
    expect(readFileSync(join(o.out, 'results.jsonl'), 'utf8')).toBe(before);
    expect(summary.cells[0]?.samples).toBe(40);
    const more = fakeAnswerer({ truth });
    await runEvaluation(more, { ...o, conditions: [...conditions, downsampledCondition(0.75)] });
    expect(new Set(more.asked.map((a) => a.condition))).toEqual(new Set(['downsample-75']));
    // another model, other options: other results
    for (const [model, extra] of [
      [fakeAnswerer({ truth, model: 'other' }), {}],
      [fakeAnswerer({ truth }), { choices: 'likelihood' }],
    ] as const) {
      await runEvaluation(model, { ...o, ...extra, limit: 5 });
      expect(model.asked).toHaveLength(15);
    }
  });

  it('gives the same results whatever the batch', async () => {
    const sorted = (out: string): string[] =>
      resultsOf(out)
        .map((r) => JSON.stringify(r))
        .sort();
    const [one, seven] = [options({ batch: 1 }), options({ batch: 7 })];
    await runEvaluation(fakeAnswerer({ truth }), one);
    await runEvaluation(fakeAnswerer({ truth }), seven);
    expect(sorted(seven.out)).toEqual(sorted(one.out));
  });

  it('asks in the batches that the answerer wants, and the summary does not show it', async () => {
    const model = fakeAnswerer({ truth });
    const sizes: number[] = [];
    // odd questions with odd ones, even ones with even ones
    model.batches = (asks, _, most) => {
      const half = (odd: number): number[] =>
        asks.flatMap((ask, i) => (Number(ask.prompt.split(' ')[1]) % 2 === odd ? [i] : []));
      return Promise.resolve(
        [half(1), half(0)].flatMap((places) =>
          Array.from({ length: Math.ceil(places.length / most) }, (__, i) =>
            places.slice(i * most, (i + 1) * most),
          ),
        ),
      );
    };
    const answer = model.answer.bind(model);
    const stop = new AbortController();
    model.answer = (asks, condition) => {
      sizes.push(asks.length);
      if (sizes.length === 4) stop.abort();
      return answer(asks, condition);
    };
    const [grouped, straight] = [options({ batch: 3 }), options({ batch: 1 })];
    const ended = await runEvaluation(model, { ...grouped, signal: stop.signal });
    expect(ended.complete).toBe(false);
    expect(resultsOf(grouped.out)).toHaveLength(12);
    const whole = await runEvaluation(model, grouped);
    expect(Math.max(...sizes)).toBe(3);
    expect(model.asked).toHaveLength(40 * conditions.length);
    expect(whole).toEqual(await runEvaluation(fakeAnswerer({ truth }), straight));
  });

  it('stops at a bad row naming file and row, or skips it', async () => {
    const bad = { ...task, data: { kind: 'repository', repository: 'test/bad', split: 'test' } } as const;
    const o = options({ tasks: [bad], conditions: [UNPRUNED] });
    await expect(runEvaluation(fakeAnswerer(), o)).rejects.toMatchObject({
      code: 'invalid-input',
      where: expect.stringMatching(/test\.jsonl, row 3, field image$/) as string,
    });
    const summary = await runEvaluation(fakeAnswerer({ truth }), { ...o, onError: 'skip' });
    expect(summary.cells[0]?.samples).toBe(8);
    expect(summary.skipped.count).toBe(2);
    expect(summary.skipped.first.map((s) => /row (\d)/.exec(s.where)?.[1]).sort()).toEqual(['3', '5']);
  });

  it('goes on after a reply that cannot be scored, an untyped error and a prompt that lacks a field', async () => {
    const model = fakeAnswerer({ truth });
    const answer = model.answer.bind(model);
    model.answer = async (asks, condition) => {
      if (asks[0]?.prompt === 'say 2 w2') throw new RangeError('Maximum call stack size exceeded');
      return (await answer(asks, condition)).map((a, i) =>
        asks[i]?.prompt === 'say 1 w1' ? { ...a, text: 'x'.repeat(40_000) } : a,
      );
    };
    const o = options({ conditions: [UNPRUNED], limit: 5 });
    await expect(runEvaluation(model, o)).rejects.toMatchObject({
      code: 'invalid-input',
      where: expect.stringMatching(/row 1/) as string,
    });
    const summary = await runEvaluation(model, { ...o, onError: 'skip' });
    expect(summary.skipped.first.map((s) => s.message)).toEqual([
      expect.stringMatching(/reply has 40000 characters/),
      'Maximum call stack size exceeded',
    ]);
    expect(summary.cells[0]?.samples).toBe(3);
    const misspelt = { ...task, prompt: ['{qestion}', 'Answer.'] };
    const refused = runEvaluation(model, options({ tasks: [misspelt], conditions: [UNPRUNED] }));
    await expect(refused).rejects.toThrow(/needs {qestion}/);
  });

  it('says what a reader should know: fewer samples than asked for, none, no categories', async () => {
    const last: (number | null)[] = [];
    const progress = {
      update: (done: number, total: number | null) => void last.push(done, total),
      end: () => undefined,
    };
    mkdirSync(join(data, 'test/empty'), { recursive: true });
    writeFileSync(join(data, 'test/empty', 'test.jsonl'), '');
    const empty = { ...task, name: 'empty', data: { ...task.data, repository: 'test/empty' } } as typeof task;
    const asked = options({
      tasks: [{ ...task, category: 'domain' }, empty],
      conditions: [UNPRUNED],
      limit: 50,
      progress,
    });
    const { summary } = await evaluate(fakeAnswerer({ truth }), asked);
    expect(summary.notes).toEqual([
      'small: 40 samples, fewer than the limit of 50',
      'small: no row has the field domain, so there are no categories',
      'empty: the data set has no sample',
    ]);
    // a task that gives no number is an error, after all others are written
    await expect(runEvaluation(fakeAnswerer({ truth }), asked)).rejects.toMatchObject({
      ...{ code: 'invalid-input', where: 'empty under unpruned' },
      hint: 'empty: the data set has no sample',
    });
    const again = JSON.parse(readFileSync(join(asked.out, 'summary.json'), 'utf8')) as Summary;
    expect(again.cells.map(({ samples }) => samples)).toEqual([40, 0]);
  });

  it('takes a metric that a task brings itself', async () => {
    const length = sampleMetric({
      ...{ name: 'length', label: 'letters', about: 'how long replies are', unit: 'points' },
      scoreReply: (_, { text }) => ({ score: text.length, choice: null }),
    });
    const summary = await runEvaluation(
      fakeAnswerer({ truth }),
      options({ tasks: [{ ...task, metric: length }], conditions: [UNPRUNED], limit: 3 }),
    );
    expect(summary.cells[0]).toMatchObject({ metric: 'letters', unit: 'points', samples: 3 });
  });

  it('stops where a thousand samples one after the other cannot be used', async () => {
    const o = options({
      tasks: [{ ...task, answer: { field: 'absent' } }],
      conditions: [UNPRUNED],
      onError: 'skip',
    });
    writeRows('test/many', 1200);
    const many = { ...o.tasks[0], data: { kind: 'repository', repository: 'test/many', split: 'test' } };
    await expect(runEvaluation(fakeAnswerer(), { ...o, tasks: [many as typeof task] })).rejects.toThrow(
      /1000 samples one after the other/,
    );
  });

  it('asks a batch one by one if one question spoils it', async () => {
    const model = fakeAnswerer({ truth });
    const answer = model.answer.bind(model);
    model.answer = async (asks, condition) => {
      if (asks.some((a) => a.prompt === 'say 5 w5'))
        throw new FastvError('invalid-input', 'the prompt is too long');
      return answer(asks, condition);
    };
    const o = options({ conditions: [UNPRUNED], batch: 4, onError: 'skip' });
    const summary = await runEvaluation(model, o);
    expect(summary.cells[0]?.samples).toBe(39);
    expect(summary.skipped.first[0]).toMatchObject({
      message: 'the prompt is too long',
      where: expect.stringMatching(/row 5/) as string,
    });
  });

  it('takes choices by likelihood', async () => {
    const mc = parseTask(
      JSON.stringify({
        ...task,
        name: 'mc',
        prompt: ['{question}', '{choices}'],
        choices: { fields: ['answer', 'kind'] },
        answer: { choice: 'kind', as: 'text' },
        metric: 'multiple-choice',
      }),
      'mc.json',
    );
    const o = options({ tasks: [mc], conditions: [UNPRUNED], choices: 'likelihood' });
    await runEvaluation(fakeAnswerer(), o);
    for (const r of resultsOf(o.out)) {
      expect(r.prediction).toMatch(/^[AB]$/);
      expect(r.score).toBe(r.prediction === 'B' ? 1 : 0);
    }
  });

  it('ends when it is told to and says so, then goes on', async () => {
    const o = options({ batch: 2 });
    const stop = new AbortController();
    const model = fakeAnswerer({ truth });
    const summary = await runEvaluation(model, {
      ...o,
      signal: stop.signal,
      progress: {
        update: (done) => {
          if (done >= 10) stop.abort();
        },
        end: () => undefined,
      },
    });
    expect(summary.complete).toBe(false);
    expect(resultsOf(o.out)).toHaveLength(10);
    const rest = fakeAnswerer({ truth });
    const whole = await runEvaluation(rest, o);
    expect(rest.asked).toHaveLength(110);
    const straight = options({ batch: 2 });
    expect(await runEvaluation(fakeAnswerer({ truth }), straight)).toEqual(whole);
  });

  it('runs scenes and the MME pairs of an ended run', async () => {
    const [scenes] = findTasks(['scenes-existence']);
    const summary = await runEvaluation(
      fakeAnswerer({ truth: () => 'yes' }),
      options({ tasks: scenes ? [scenes] : [], limit: 20 }),
    );
    expect(summary.cells.map((c) => c.samples)).toEqual([20, 20, 20]);
    expect(summary.cells[0]?.score).toBeGreaterThan(0.2);
  });

  it.each([
    [{ tasks: [] }, /no task/],
    [{ conditions: [] }, /nothing to run/],
    [{ conditions: [UNPRUNED, UNPRUNED] }, /one name/],
    [{ conditions: [prunedCondition(2, 1.5)] }, /\[0, 1\]/],
    [{ conditions: [prunedCondition(-1, 0.5)] }, /whole number/],
    [{ limit: 0 }, /1 or more/],
    [{ batch: 0.5 }, /1 or more/],
    [{ tasks: findTasks(['scenes-size']) }, /has no end/],
  ] as [Partial<RunOptions>, RegExp][])('refuses %j', async (part, message) => {
    const run = runEvaluation(fakeAnswerer(), options(part));
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toMatchObject({ code: 'invalid-option' });
  });

  it('goes on after a torn last line', async () => {
    const [o, straight] = [options(), options()];
    await runEvaluation(fakeAnswerer({ truth }), { ...o, limit: 7 });
    appendFileSync(join(o.out, 'results.jsonl'), '{"key":"abc","condi');
    await runEvaluation(fakeAnswerer({ truth }), o);
    await runEvaluation(fakeAnswerer({ truth }), straight);
    expect(readFileSync(join(o.out, 'results.jsonl'), 'utf8')).toBe(
      readFileSync(join(straight.out, 'results.jsonl'), 'utf8'),
    );
  });
});

describe('kill -9', () => {
  const bundle = join(process.cwd(), 'node_modules', '.cache', 'fastv', `kill-child-${process.pid}.mjs`);
  beforeAll(async () => {
    await build({
      entryPoints: [join(process.cwd(), 'test/eval/kill-child.ts')],
      outfile: bundle,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    });
  });

  /** Runs the child; kills it once its results have grown by so many bytes. */
  function run(out: string, killAfter = Infinity): Promise<'ended' | 'killed'> {
    const file = join(out, 'results.jsonl');
    const size = (): number => (existsSync(file) ? statSync(file).size : 0);
    const begin = size();
    const child = spawn(process.execPath, [bundle, out, data, '150'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const watch = setInterval(() => {
      if (size() - begin >= killAfter) child.kill('SIGKILL');
    }, 2);
    return new Promise((resolve, reject) => {
      child.on('exit', (code, signal) => {
        clearInterval(watch);
        if (signal === 'SIGKILL') resolve('killed');
        else if (code === 0) resolve('ended');
        else reject(new Error(`the child ended with ${String(code)}`));
      });
    });
  }

  it('ten times over, then finished, gives what an uninterrupted run gives', async () => {
    const [straight, killed] = [join(root, 'straight'), join(root, 'killed')];
    expect(await run(straight)).toBe('ended');
    const random = new Random(Date.now() >>> 0);
    let kills = 0;
    for (let i = 0; i < 10; i++) if ((await run(killed, random.between(1, 6000))) === 'killed') kills++;
    expect(kills).toBe(10);
    expect(resultsOf(killed).length).toBeLessThan(300);
    expect(await run(killed)).toBe('ended');
    for (const name of ['results.jsonl', 'summary.json']) {
      expect(readFileSync(join(killed, name), 'utf8')).toBe(readFileSync(join(straight, name), 'utf8'));
    }
    expect(resultsOf(killed)).toHaveLength(300);
  }, 120_000);
});
