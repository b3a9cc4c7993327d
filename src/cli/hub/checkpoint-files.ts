/** A checkpoint on the hub, read where it lies: a request for each tensor's range, and nothing is stored. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { folderFiles, MAX_TEXT, type CheckpointFiles } from '../../build/checkpoint/files.js';
import type { RandomAccess } from '../../build/checkpoint/stored-tensor.js';
import { FastvError } from '../../errors.js';
import { ATTEMPTS, endedEarly, isCut } from '../../files/http.js';
import { readRegularSync } from '../../files/read.js';
import { refusal, unreachable, type HubFetch } from './fetch.js';
import type { HubFile } from './model-files.js';
import { listFiles, type Repository } from './repository.js';
import type { HubSettings } from './settings.js';

/** Bytes of one request: a tensor of several GB is asked for in parts. */
const MOST = 256 * 2 ** 20;

/** Bytes of a file that names a commit. */
const MAX_REF = 1000;

/** The files of a repository. @throws {FastvError} `io` */
export async function hubFiles(
  repository: Repository,
  fetch: HubFetch,
  settings: HubSettings,
): Promise<CheckpointFiles> {
  const files = (await listFiles(repository, fetch, settings)).filter(({ path }) => !path.includes('/'));
  const find = (name: string): HubFile => {
    const file = files.find(({ path }) => path === name);
    if (file === undefined)
      throw new FastvError('io', `the model has no ${name}`, { where: repository.model });
    return file;
  };
  const range = async (name: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
    const url = `${settings.endpoint}/${repository.model}/resolve/${encodeURIComponent(repository.revision)}/${name}`;
    for (let attempt = 1; ; attempt++) {
      try {
        return await fetchRange(url, offset, length, () => fetch(url, {
          headers: { range: `bytes=${offset}-${offset + length - 1}` },
        }), (response) => refusal(response, { kind: 'model', name: repository.model }, settings)); // prettier-ignore
      } catch (error) {
        if (attempt >= ATTEMPTS || !isCut(error)) throw error;
      }
    }
  };
  const open = (name: string): RandomAccess => ({
    where: `${repository.model}/${name}`,
    size: find(name).size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; done += MOST) {
        bytes.set(await range(name, offset + done, Math.min(MOST, length - done)), done);
      }
      return bytes;
    },
    close: () => undefined,
  });
  return {
    where: repository.model,
    names: files.map(({ path }) => path),
    async text(name) {
      const { size } = find(name);
      if (size > MAX_TEXT) {
        throw new FastvError('io', `${name} has ${size} bytes; at most ${MAX_TEXT} are read`, {
          where: repository.model,
        });
      }
      return new TextDecoder().decode(await open(name).read(0, size));
    },
    open: (name) => Promise.resolve(open(name)),
  };
}

/** Exactly these bytes of a file. */
async function fetchRange(
  url: string,
  offset: number,
  length: number,
  ask: () => Promise<Response>,
  refuse: (response: Response) => FastvError,
): Promise<Uint8Array<ArrayBuffer>> {
  if (length === 0) return new Uint8Array();
  const response = await ask();
  if (!response.ok || response.body === null) throw refuse(response);
  if (response.status !== 206 && offset > 0) {
    throw new FastvError('io', 'the hub answers with the whole file, not the part that was asked for', {
      where: url,
      hint: 'Check HF_ENDPOINT and HTTPS_PROXY: they must know ranges.',
    });
  }
  const bytes = new Uint8Array(length);
  let done = 0;
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const part = chunk.subarray(0, length - done);
      bytes.set(part, done);
      done += part.length;
      if (done === length) break; // leaving the loop ends the request
    }
  } catch (cause) {
    throw unreachable(url, cause);
  }
  if (done < length) throw unreachable(url, endedEarly());
  return bytes;
}

/**
 * A model in the cache of Hugging Face's Python tools (huggingface_hub, "Manage the cache"): snapshots of links to blobs.
 * @returns undefined if it is not there
 */
export function cachedFiles({ model, revision }: Repository, env = process.env): CheckpointFiles | undefined {
  // an empty variable is none
  const set = (name: string, otherwise: string): string => (env[name] ?? '') || otherwise;
  const home = set('HF_HOME', join(set('XDG_CACHE_HOME', join(homedir(), '.cache')), 'huggingface'));
  const cache = set('HF_HUB_CACHE', join(home, 'hub'));
  const folder = join(cache, `models--${model.replaceAll('/', '--')}`);
  try {
    const commit = /^[\da-f]{40}$/u.test(revision)
      ? revision
      : new TextDecoder().decode(readRegularSync(join(folder, 'refs', revision), MAX_REF)).trim();
    return /^[\da-f]{40}$/u.test(commit) ? folderFiles(join(folder, 'snapshots', commit)) : undefined;
  } catch {
    return undefined;
  }
}
