/**
 * Answers kept across runs: what a model said to a question about images under a condition is asked once, whatever task, folder or
 * limit it comes up in again. A run's own log (`results.jsonl`) stays what it is; the cache is only asked first.
 *
 * An answer is named by what it follows from: the model's fingerprint and options, the versions that ran it, the condition,
 * the prompt, the pixels of the images, and for strategies that draw the sample that is drawn for. What it cost comes with it, so
 * times are those of the first time.
 */
import { createHash } from 'node:crypto';
import { closeSync, lstatSync } from 'node:fs';
import { FastvError } from '../errors.js';
import { openRegular } from '../files/read.js';
import { isSeeded } from '../strategies/index.js';
import { version } from '../version.js';
import { seenAs, type Answer, type AnswerCost, type Answerer, type Ask, type Condition } from './answerer.js';

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
  const trying = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FastvError('io', `this is no cache of answers, or cannot be used: ${reason}`, {
        where: path,
        cause,
      });
    }
  };
  refuseOthers(path);
  const { database, read, write } = trying(() => {
    const database = open(path);
    database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA busy_timeout = 10000;');
    // somebody else's file may have a view or a trigger, which is a program, where the table should be
    const strange = database.prepare('SELECT name FROM sqlite_master WHERE sql IS NOT ?').get(TABLE);
    if (strange !== undefined) throw new Error('it holds something else');
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    database.exec(TABLE.replace('TABLE', 'TABLE IF NOT EXISTS'));
    return {
      database,
      read: database.prepare('SELECT answer FROM answers WHERE name = ? AND octet_length(answer) <= ?'),
      write: database.prepare('INSERT OR REPLACE INTO answers VALUES (?, ?)'),
    };
  });
  let found = 0;
  return {
    get found() {
      return found;
    },
    get(name) {
      const row = trying(() => read.get(name, MOST_BYTES)) as { readonly answer: unknown } | undefined;
      const answer = answerOf(row?.answer);
      if (answer !== undefined) found++;
      return answer;
    },
    put(entries) {
      trying(() => {
        database.exec('BEGIN IMMEDIATE');
        for (const [name, answer] of entries) write.run(name, JSON.stringify(answer));
        database.exec('COMMIT');
      });
    },
    close() {
      database.close();
    },
  };
}

/**
 * A pipe would never answer, and SQLite writes through links: to where one leads that leads nowhere yet, and into what is
 * planted as its own log.
 */
function refuseOthers(path: string): void {
  const isThere = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  let database = path;
  if (isThere(path)) {
    const { fd, realPath } = openRegular(path);
    closeSync(fd);
    database = realPath;
  }
  for (const log of ['-wal', '-shm', '-journal'].map((end) => database + end))
    if (isThere(log)) closeSync(openRegular(log, { followLink: false }).fd);
}

/** As SQLite writes it down. */
const TABLE = 'CREATE TABLE answers (name TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID';
/** An answer has some thousand tokens. */
const MOST_BYTES = 2 ** 22;

/** An answer as it was kept; undefined for what is none, which is asked anew. */
function answerOf(kept: unknown): Answer | undefined {
  if (typeof kept !== 'string') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(kept);
  } catch {
    return undefined;
  }
  const { text, cost, logLikelihoods = [] } = (value ?? {}) as Partial<Record<keyof Answer, unknown>>;
  if (typeof text !== 'string' || typeof cost !== 'object' || cost === null) return undefined;
  const numbers = { ...NO_COST, ...cost, shapeFrom: 0 };
  const fits = [numbers, logLikelihoods].every(
    (one) => typeof one === 'object' && one !== null && Object.values(one).every(Number.isFinite),
  );
  return fits && Array.isArray(logLikelihoods) ? (value as Answer) : undefined;
}

/** What every answer says of its cost. */
const NO_COST = {
  ...{ tokens: NaN, imageTokens: NaN, keptImageTokens: NaN, generatedTokens: NaN },
  ...{ visionMs: NaN, prefillMs: NaN, decodeMs: NaN },
} satisfies Partial<Record<keyof AnswerCost, number>>;

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
  const nameOf = (ask: Ask, condition: Condition): string => {
    const { pruning } = condition;
    const { sample, images, video = false, prompt, parts = null, candidates = null, maxTokens } = ask;
    const drawnFor = pruning !== null && isSeeded(pruning.strategy) ? (sample ?? null) : null;
    const facts = [
      ...[version, identity, pruning, seenAs(condition), drawnFor],
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
