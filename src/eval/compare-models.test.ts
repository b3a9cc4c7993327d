import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Answerer, Condition } from './answerer.js';
import { compareModels } from './compare-models.js';
import { openTask } from './tasks/open-task.js';
import { findTasks } from './tasks/index.js';

const LIMIT = 6;
const tasks = findTasks(['scenes-existence', 'scenes-color']);
const cost = {
  ...{ tokens: 1, imageTokens: 1, keptImageTokens: 1, generatedTokens: 1 },
  ...{ visionMs: 1, prefillMs: 1, decodeMs: 1 },
};

/** The right answers of a task's first questions. */
async function truth(name: string): Promise<string[]> {
  const answers: string[] = [];
  for await (const sample of openTask(findTasks([name])[0] ?? expect.fail()).samples()) {
    if (answers.push(sample.answers[0] ?? '') === LIMIT) break;
  }
  return answers;
}

/** A model that gives these replies, in order. */
function saying(replies: readonly string[], log: string[] = [], name = ''): () => Promise<Answerer> {
  let next = 0;
  return () => {
    log.push(`open ${name}`);
    return Promise.resolve({
      identity: { model: name, options: {}, versions: {} },
      answer: (asks: readonly unknown[], condition: Condition) => {
        expect(condition.pruning).toBeNull();
        return Promise.resolve(asks.map(() => ({ text: replies[next++] ?? 'nothing', cost })));
      },
      close: () => {
        log.push(`close ${name}`);
        return Promise.resolve();
      },
    });
  };
}

describe('compareModels', () => {
  it('says what was lost, task by task and over all questions', async () => {
    const [existence, color] = [await truth('scenes-existence'), await truth('scenes-color')];
    const right = [...existence, ...color];
    const log: string[] = [];
    const lost = right.map((answer, i) => (i < LIMIT ? answer : 'wrong'));
    const comparison = await compareModels(saying(right, log, 'a'), saying(lost, log, 'b'), {
      tasks,
      limit: LIMIT,
    });
    // one model at a time
    expect(log).toEqual(['open a', 'close a', 'open b', 'close b']);
    expect(comparison.complete).toBe(true);
    expect(comparison.tasks).toMatchObject([
      {
        task: 'scenes-existence',
        before: 1,
        after: 1,
        samples: LIMIT,
        loyalty: 1,
        difference: { estimate: 0, mcnemar: 1 },
      },
      {
        task: 'scenes-color',
        before: 1,
        after: 0,
        samples: LIMIT,
        loyalty: 0,
        difference: { estimate: -1, high: -1 },
      },
    ]);
    // six questions lost and none won: 2 / 2^6
    expect(comparison.tasks[1]?.difference?.mcnemar).toBeCloseTo(1 / 32, 12);
    expect(comparison.mean).toMatchObject({ before: 1, after: 0.5, samples: 2 * LIMIT, loyalty: 0.5 });
    expect(comparison.mean?.difference?.estimate).toBe(-0.5);
    expect(comparison.mean?.difference?.low).toBeLessThan(-0.5);
    expect(comparison.mean?.difference?.high).toBeGreaterThan(-0.5);
  });

  it('tells equal scores from equal answers', async () => {
    const right = await truth('scenes-existence');
    const [first, second] = [
      ['wrong', ...right.slice(1)],
      [...right.slice(0, -1), 'wrong'],
    ];
    const [task] = tasks;
    const comparison = await compareModels(saying(first), saying(second), {
      tasks: task === undefined ? [] : [task],
      limit: LIMIT,
    });
    expect(comparison.tasks[0]?.difference).toMatchObject({ estimate: 0, mcnemar: 1 });
    expect(comparison.tasks[0]?.loyalty).toBeCloseTo(1 - 2 / LIMIT, 12);
  });

  it('ended early, it has nothing to say, and leaves nothing', async () => {
    const before = (await readdir(tmpdir())).filter((name) => name.startsWith('fastv-compare-'));
    const stop = new AbortController();
    stop.abort();
    const log: string[] = [];
    const comparison = await compareModels(saying([], log, 'a'), saying([], log, 'b'), {
      ...{ tasks, limit: LIMIT, signal: stop.signal },
    });
    expect(comparison).toEqual({ tasks: [], mean: null, complete: false });
    expect(log).toEqual(['open a', 'close a']);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith('fastv-compare-'))).toEqual(before);
  });

  it('closes a model that fails', async () => {
    const log: string[] = [];
    const failing = async (): Promise<Answerer> => ({
      ...(await saying([], log, 'a')()),
      answer: () => Promise.reject(new Error('out of memory')),
    });
    await expect(compareModels(failing, saying([]), { tasks, limit: 1 })).rejects.toThrow('out of memory');
    expect(log).toEqual(['open a', 'close a']);
  });
});
