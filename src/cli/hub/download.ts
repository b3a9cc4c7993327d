/** One file from the hub, whole and checked: what was there of it is gone on with, and it gets its name at the end. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FastvError } from '../../errors.js';
import { writeError } from '../../files/atomic.js';
import { ATTEMPTS, endedEarly, isCut } from '../../files/http.js';
import { makeFolder } from '../../files/make-folder.js';
import { refusal, unreachable, type HubFetch } from './fetch.js';
import type { HubFile } from './model-files.js';
import type { Repository } from './repository.js';
import type { HubSettings } from './settings.js';

/** A download. */
export interface Download {
  readonly repository: Repository;
  /** Where the model's files go. */
  readonly folder: string;
  readonly fetch: HubFetch;
  readonly settings: HubSettings;
  /** Told the bytes of the file that are there. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Fetches a file, unless it is there already.
 * @returns whether it was fetched now
 * @throws {FastvError} `io`; what has arrived stays beside it as `<file>.part`, and the next call goes on from there
 */
export async function downloadFile(file: HubFile, download: Download): Promise<boolean> {
  const target = join(download.folder, ...file.path.split('/'));
  if (await isWhole(target, file)) return false;
  await makeFolder(dirname(target));
  const part = `${target}.part`;
  let before = -1;
  for (let attempt = 1; ; attempt++) {
    try {
      await fetchRest(file, part, download);
      break;
    } catch (error) {
      const there = await sizeOf(part);
      // a server that sends nothing more is not asked for ever
      if (attempt >= ATTEMPTS || !isCut(error) || there <= before) throw error;
      before = there;
    }
  }
  if (!(await isWhole(part, file))) {
    await rm(part, { force: true });
    throw new FastvError('io', 'what arrived is not what the hub lists: its checksum differs', {
      where: `${download.repository.model}/${file.path}`,
      hint: 'Run the same command again; behind a proxy, check that it changes nothing.',
    });
  }
  await rename(part, target).catch((cause: unknown) => {
    throw writeError(target, cause);
  });
  return true;
}

/** Appends what is missing. */
async function fetchRest(file: HubFile, part: string, download: Download): Promise<void> {
  const { repository, settings, onProgress } = download;
  const { model, revision } = repository;
  const url = `${settings.endpoint}/${model}/resolve/${encodeURIComponent(revision)}/${file.path}`;
  let there = await sizeOf(part);
  if (there > file.size) {
    await rm(part, { force: true });
    there = 0;
  }
  if (there === file.size && there > 0) return;
  const response = await download.fetch(url, there === 0 ? {} : { headers: { range: `bytes=${there}-` } });
  if (!response.ok || response.body === null)
    throw refusal(response, { kind: 'model', name: model }, settings);
  // a server that knows no ranges sends all of it
  const appends = response.status === 206;
  if (!appends) there = 0;
  const handle = await open(part, appends ? 'a' : 'w').catch((cause: unknown) => {
    throw writeError(part, cause);
  });
  try {
    for await (const chunk of chunksOf(response.body, url)) {
      if (there + chunk.length > file.size) throw tooLong(url);
      await handle.writeFile(chunk).catch((cause: unknown) => {
        throw writeError(part, cause);
      });
      there += chunk.length;
      onProgress?.(there);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (there < file.size) throw unreachable(url, endedEarly());
}

async function* chunksOf(body: ReadableStream<Uint8Array>, url: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) yield chunk;
  } catch (cause) {
    if (cause instanceof FastvError) throw cause;
    throw unreachable(url, cause);
  }
}

function tooLong(url: string): FastvError {
  return new FastvError('io', 'the hub sends more than it lists', { where: url, hint: 'Check HF_ENDPOINT.' });
}

/**
 * The size of what has arrived. Its name can be guessed, in a folder that others may write to: a link would be written
 * through.
 * @throws {FastvError} `io` for what is no file of ours
 */
async function sizeOf(path: string): Promise<number> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return 0;
  if (there.isFile()) return there.size;
  // a device keeps nothing
  if ((await stat(path).catch(() => undefined))?.isCharacterDevice() === true) return 0;
  const hint = 'Delete it.';
  throw new FastvError('io', 'this is no file, but stands where one is to be written', { where: path, hint });
}

/** Whether a file is there with the hub's size and checksum. */
async function isWhole(path: string, { size, digest }: HubFile): Promise<boolean> {
  const there = await stat(path).catch(() => undefined);
  if (there?.isFile() !== true || there.size !== size) return false;
  const hash: Hash = createHash(digest.kind === 'sha256' ? 'sha256' : 'sha1');
  // git hashes a header before the content
  if (digest.kind === 'git-sha1') hash.update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex') === digest.value;
}
