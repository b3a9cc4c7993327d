// Rewritten decoders that were kept: which files they are, and that they are still what was written. The graphs lie
// beside their models (or in the user's cache, see decoder-file.ts), where others may put files too; what each of them
// must hold, as a digest, is noted in the user's own cache. A graph that does not match its note, or has none, is made
// again: it is never believed for its name, which anybody can compute.
import { createHash } from 'node:crypto';
import { lstat, readdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { writeAtomically } from '../files/atomic.js';
import { readRegular, readText } from '../files/read.js';
import { ownCacheFolder } from '../files/user-cache.js';

/** A rewritten decoder that was kept. */
export interface CachedRewrite {
  readonly path: string;
  readonly bytes: number;
  /** When it was made or last loaded. */
  readonly used: Date;
}

/** Notes of this many rewrites are kept, and graphs of this many of one decoder; the oldest go first. */
const MOST = { notes: 256, ofOneDecoder: 16 } as const;
/** Graphs without weights have some hundred kilobytes. */
const MAX_GRAPH_BYTES = 2 ** 28;
const MAX_NOTE_BYTES = 2 ** 14;
/** How the names of kept graphs end: nothing else is ever removed. */
const NAME = /\.fastv-[0-9a-f]{16}\.onnx$/u;

interface Note {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Digest of bytes, in hexadecimal digits. */
export function sha256Of(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** The graph that was kept at `path`; undefined if there is none, or it is not what was written. */
export async function keptGraph(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const file = await noteFile(path);
    const note = await readNote(file);
    if (note?.path !== resolve(path)) return undefined;
    const graph = await readRegular(path, MAX_GRAPH_BYTES, { followLink: false });
    if (sha256Of(graph) !== note.sha256) return undefined;
    const now = new Date();
    await utimes(file, now, now).catch(() => undefined); // only the order of removal hangs on it
    return graph;
  } catch (error) {
    if (error instanceof FastvError) return undefined;
    throw error;
  }
}

/**
 * Keeps a graph at `path`, whose name must end as those of kept graphs do, and drops the oldest where there are many.
 * @throws {FastvError} `io` if it cannot be written there, or the user has no cache of their own
 */
export async function keepGraph(path: string, graph: Uint8Array): Promise<void> {
  const file = await noteFile(path);
  const note: Note = { path: resolve(path), sha256: sha256Of(graph), bytes: graph.length };
  await writeAtomically(path, graph, { own: true });
  await writeAtomically(file, JSON.stringify(note), { own: true });
  await dropOldOf(path);
  for (const old of (await notes()).slice(MOST.notes)) await drop(old);
}

/** The rewritten decoders that are kept, the last used first. */
export async function listRewrites(): Promise<CachedRewrite[]> {
  return (await notes()).filter(({ there }) => there).map(({ path, bytes, used }) => ({ path, bytes, used }));
}

/** Removes all rewritten decoders that are kept. @returns those that were removed */
export async function clearRewrites(): Promise<CachedRewrite[]> {
  const all = await notes();
  for (const note of all) await drop(note);
  return all.filter(({ there }) => there).map(({ path, bytes, used }) => ({ path, bytes, used }));
}

async function noteFile(path: string): Promise<string> {
  return join(await ownCacheFolder('rewrites'), `${sha256Of(resolve(path)).slice(0, 32)}.json`);
}

async function readNote(file: string): Promise<Note | undefined> {
  try {
    const value: unknown = JSON.parse(await readText(file, MAX_NOTE_BYTES, { followLink: false }));
    return isNote(value) ? value : undefined;
  } catch {
    return undefined; // none, or none that can be read: the graph is made again
  }
}

function isNote(value: unknown): value is Note {
  if (typeof value !== 'object' || value === null) return false;
  const { path, sha256, bytes } = value as Partial<Record<keyof Note, unknown>>;
  return typeof path === 'string' && typeof sha256 === 'string' && typeof bytes === 'number';
}

interface Kept extends CachedRewrite {
  readonly file: string;
  readonly there: boolean;
}

/** All notes, the last used first. */
async function notes(): Promise<Kept[]> {
  const folder = await ownCacheFolder('rewrites');
  const kept: Kept[] = [];
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    const note = name.endsWith('.json') ? await readNote(file) : undefined;
    const info = await stat(file).catch(() => undefined);
    if (note === undefined || info === undefined) continue;
    const { path, bytes } = note;
    kept.push({ file, path, bytes, used: info.mtime, there: await isGraph(path) });
  }
  return kept.sort((a, b) => b.used.getTime() - a.used.getTime());
}

async function isGraph(path: string): Promise<boolean> {
  return NAME.test(path) && ((await lstat(path).catch(() => undefined))?.isFile() ?? false);
}

async function drop({ file, path }: { readonly file: string; readonly path: string }): Promise<void> {
  if (await isGraph(path)) await rm(path, { force: true }).catch(() => undefined); // the folder may be read-only by now
  await rm(file, { force: true });
}

/** Graphs of former versions of a decoder, and of fastv, that nobody asks for any more. */
async function dropOldOf(path: string): Promise<void> {
  const beginning = basename(path).replace(NAME, '.fastv-');
  const folder = dirname(resolve(path));
  const own: { path: string; time: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(beginning) || !NAME.test(name) || name === basename(path)) continue;
    const info = await lstat(join(folder, name)).catch(() => undefined);
    if (info?.isFile() !== true || info.uid !== (process.getuid?.() ?? info.uid)) continue;
    own.push({ path: join(folder, name), time: info.mtimeMs });
  }
  own.sort((a, b) => b.time - a.time);
  for (const { path: old } of own.slice(MOST.ofOneDecoder - 1))
    await drop({ file: await noteFile(old), path: old });
}
