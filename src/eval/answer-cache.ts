/**
 * Answers kept across runs: what a model said to a question about images under a condition is asked once, whatever task, folder or
 * limit it comes up in again. A run's own log (`results.jsonl`) stays what it is; the cache is only asked first.
 *
 * An answer is named by what it follows from: the model's fingerprint and options, the versions that ran it, the condition,
 * the prompt, the pixels of the images, and for strategies that draw the sample that is drawn for. What it cost comes with it, so
 * times are those of the first time.
 */
import { createHash } from 'node:crypto';
import { FastvError } from '../errors.js';
import { isSeeded } from '../strategies/index.js';
import { version } from '../version.js';
import type { Answer, Answerer, Ask, Condition } from './answerer.js';

/** The part of SQLite that is needed; better-sqlite3 and Node's own module both have it. */
interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): { get(...values: unknown[]): unknown; run(...values: unknown[]): unknown };
  close(): void;
}

/** Answers by their names. */
export interface AnswerCache {
  get(name: string): Answer | undefined;
  put(entries: readonly (readonly [string, Answer])[]): void;
  /** How many answers were found. */
  readonly found: number;
  close(): void;
}

/**
 * Opens a cache, and makes it where there is none. Several processes may have it open.
 * @throws FastvError `io` without SQLite, or where the file is no cache
 */
export async function openAnswerCache(path: string): Promise<AnswerCache> {
  const open = await sqlite();
  let database: Database;
  try {
    database = open(path);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 10000;');
    database.exec(
      'CREATE TABLE IF NOT EXISTS answers (name TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID',
    );
  } catch (cause) {
    throw new FastvError('io', 'this is no cache of answers, or cannot be opened', { where: path, cause });
  }
  const read = database.prepare('SELECT answer FROM answers WHERE name = ?');
  const write = database.prepare('INSERT OR IGNORE INTO answers VALUES (?, ?)');
  let found = 0;
  return {
    get found() {
      return found;
    },
    get(name) {
      const row = read.get(name) as { readonly answer: string } | undefined;
      if (row === undefined) return undefined;
      found++;
      return JSON.parse(row.answer) as Answer;
    },
    put(entries) {
      database.exec('BEGIN IMMEDIATE');
      for (const [name, answer] of entries) write.run(name, JSON.stringify(answer));
      database.exec('COMMIT');
    },
    close() {
      database.close();
    },
  };
}

/** How a database is opened, by whichever module there is. */
async function sqlite(): Promise<(path: string) => Database> {
  const names = ['better-sqlite3', 'node:sqlite'];
  for (const name of names) {
    const found = (await import(name).catch(() => undefined)) as
      { default?: new (path: string) => Database; DatabaseSync?: new (path: string) => Database } | undefined;
    const Opened = found?.DatabaseSync ?? found?.default;
    if (Opened !== undefined) return (path) => new Opened(path);
  }
  throw new FastvError('io', 'a cache of answers needs SQLite, which is not installed', {
    where: '--answer-cache',
    hint: 'npm i better-sqlite3@12, or Node 22.13 or newer, which has its own',
  });
}

/** A model whose answers are looked up in a cache first, and kept there. Closing it closes the cache too. */
export function cachedAnswerer(answerer: Answerer, cache: AnswerCache): Answerer {
  const { identity } = answerer;
  const nameOf = (ask: Ask, { pruning, imageScale }: Condition): string => {
    const { sample, images, video = false, prompt, parts = null, candidates = null, maxTokens } = ask;
    const drawnFor = pruning !== null && isSeeded(pruning.strategy) ? (sample ?? null) : null;
    const facts = [
      ...[version, identity, pruning, imageScale, drawnFor],
      ...[images.map(({ key }) => key), video, prompt, parts, candidates, maxTokens],
    ];
    return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
  };
  return {
    identity,
    ...(answerer.prepare === undefined
      ? {}
      : {
          prepare: (conditions: readonly Condition[]) => answerer.prepare?.(conditions) ?? Promise.resolve(),
        }),
    ...(answerer.batches === undefined
      ? {}
      : {
          batches: (asks: readonly Ask[], condition: Condition, most: number) =>
            answerer.batches?.(asks, condition, most) ?? Promise.resolve([]),
        }),
    async answer(asks, condition) {
      const names = asks.map((ask) => nameOf(ask, condition));
      const known = names.map((name) => cache.get(name));
      const missing = asks.filter((_, i) => known[i] === undefined);
      const fresh = missing.length === 0 ? [] : [...(await answerer.answer(missing, condition))];
      const all = known.map((answer) => answer ?? fresh.shift());
      cache.put(
        all.flatMap((answer, i) => (known[i] === undefined && answer ? [[names[i] ?? '', answer]] : [])),
      );
      return all.flatMap((answer) => answer ?? []);
    },
    async close() {
      cache.close();
      await answerer.close?.();
    },
  };
}
