// Where there is no SQLite (Node 20 without better-sqlite3), only the refusal and the model around a cache are tested.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cachedAnswerer, openAnswerCache, type AnswerCache } from './answer-cache.js';
import { prunedCondition, UNPRUNED, type Answer, type Answerer, type Ask } from './answerer.js';
import { simulatedAnswerer } from './simulated.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-answer-cache-'));
const opened = await openAnswerCache(join(root, 'probe.sqlite')).catch(() => undefined);
const HAS_SQLITE = opened !== undefined;
opened?.close();
if (!HAS_SQLITE)
  console.warn('SQLite is not installed: the file of answers is not tested (npm i better-sqlite3@12)');

const ask = (prompt: string, sample = 's'): Ask => ({ prompt, sample, images: [], maxTokens: 4 });

/** A model that counts what it is asked. */
function counting(): Answerer & { readonly asked: string[] } {
  const model = simulatedAnswerer('simulated:0');
  const asked: string[] = [];
  return {
    ...model,
    asked,
    answer(asks, condition) {
      asked.push(...asks.map(({ prompt }) => `${condition.name} ${prompt}`));
      return model.answer(asks, condition);
    },
  };
}

function inMemory(): AnswerCache {
  const answers = new Map<string, Answer>();
  return {
    found: 0,
    get: (name) => answers.get(name),
    put: (entries) => {
      for (const [name, answer] of entries) answers.set(name, answer);
    },
    close: () => undefined,
  };
}

it('asks each question under each condition once, and answers in order', async () => {
  const model = counting();
  const cached = cachedAnswerer(model, inMemory());
  const first = await cached.answer([ask('a'), ask('b')], UNPRUNED);
  const again = await cached.answer([ask('c'), ask('b', 'another'), ask('a')], UNPRUNED);
  expect(again.slice(1)).toEqual([first[1], first[0]]);
  await cached.answer([ask('a')], prunedCondition(2, 0.5));
  expect(model.asked).toEqual(['unpruned a', 'unpruned b', 'unpruned c', 'K2-R50-attention a']);
});

it('draws anew for each sample', async () => {
  const model = counting();
  const cached = cachedAnswerer(model, inMemory());
  const random = prunedCondition(2, 0.5, 'random');
  for (const sample of ['s', 't', 's']) await cached.answer([ask('a', sample)], random);
  expect(model.asked).toHaveLength(2);
});

it.skipIf(!HAS_SQLITE)('keeps answers in a file, for other runs', async () => {
  const path = join(root, 'answers.sqlite');
  const model = counting();
  const first = cachedAnswerer(model, await openAnswerCache(path));
  const said = await first.answer([ask('a'), ask('b')], UNPRUNED);
  await first.close?.();
  const cache = await openAnswerCache(path);
  const second = cachedAnswerer(model, cache);
  expect(await second.answer([ask('a'), ask('b')], UNPRUNED)).toEqual(said);
  expect(cache.found).toBe(2);
  expect(model.asked).toHaveLength(2);
  await second.close?.();
});

it.skipIf(!HAS_SQLITE)('refuses a file that is none', async () => {
  const path = join(root, 'no.sqlite');
  writeFileSync(path, 'this is no database, and long enough to be read as one'.repeat(100));
  await expect(openAnswerCache(path)).rejects.toMatchObject({ code: 'io', where: path });
});

it.skipIf(!HAS_SQLITE)('refuses links that lead nowhere yet, and logs that are links or pipes', async () => {
  const outside = join(root, 'outside');
  const path = join(root, 'planted.sqlite');
  symlinkSync(outside, path);
  await expect(openAnswerCache(path)).rejects.toMatchObject({ code: 'io' });
  rmSync(path);
  for (const end of ['-wal', '-shm', '-journal']) {
    symlinkSync(outside, path + end);
    await expect(openAnswerCache(path)).rejects.toMatchObject({ code: 'io' });
    rmSync(path + end);
    if (process.platform === 'win32') continue;
    execFileSync('mkfifo', [path + end]);
    await expect(openAnswerCache(path)).rejects.toMatchObject({ code: 'io' });
    rmSync(path + end);
  }
  expect(existsSync(outside)).toBe(false);
});

it.skipIf(HAS_SQLITE)('says what is missing', async () => {
  await expect(openAnswerCache(join(root, 'x.sqlite'))).rejects.toMatchObject({
    code: 'io',
    where: '--answer-cache',
    hint: expect.stringContaining('better-sqlite3') as string,
  });
});
