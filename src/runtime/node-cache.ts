// What is kept of models in Node: Transformers.js's cache folder, and fastv's rewritten decoders.
import { env } from '@huggingface/transformers';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOf, type Cached } from './cached-model.js';
import { clearRewrites, listRewrites } from './rewrite-cache.js';

/**
 * Where Transformers.js keeps models.
 * @example
 * const where: CachePlace = { cache_dir: '/srv/models' };
 */
export interface CachePlace {
  /** As it was given to `from_pretrained`; default `env.cacheDir` of Transformers.js. */
  readonly cache_dir?: string;
}

/**
 * What is kept: models that Transformers.js fetched, and the decoders that were rewritten. Reads names and sizes alone.
 * @example
 * for (const { kind, name, bytes } of await listCache()) console.log(kind, name, bytes);
 */
export async function listCache({ cache_dir: folder = env.cacheDir ?? '' }: CachePlace = {}): Promise<
  readonly Cached[]
> {
  const models: Cached[] = [];
  // owner/name, or a name alone; what has no config.json, there or by its revision, was not put there by Transformers.js
  for (const owner of await foldersIn(folder)) {
    const names = (await isModel(join(folder, owner)))
      ? [owner]
      : (await foldersIn(join(folder, owner))).map((name) => `${owner}/${name}`);
    for (const name of names) {
      const root = join(folder, ...name.split('/'));
      const revisions = await foldersIn(root);
      const own = await Promise.all([root, ...revisions.map((one) => join(root, one))].map(isModel));
      if (own.includes(true)) models.push({ kind: 'model', name, ...(await sizeOf(root)) });
    }
  }
  const rewrites = await listRewrites();
  return [
    ...models,
    ...rewrites.map(({ path, bytes }) => ({ kind: 'rewrite', name: path, bytes, files: 1 }) as const),
  ];
}

/**
 * Bytes of all that is kept; a rewritten decoder that lies beside its model counts once.
 * @example
 * console.log(`${Math.round((await cacheSize()) / 1e6)} MB`);
 */
export async function cacheSize(where: CachePlace = {}): Promise<number> {
  const { cache_dir: folder = env.cacheDir ?? '' } = where;
  const all = await listCache(where);
  return bytesOf(all.filter(({ kind, name }) => kind === 'model' || !name.startsWith(join(folder, '/'))));
}

/**
 * Removes what is kept: of one model, or everything. Models that are open stay usable; they are fetched again at their
 * next load.
 * @param name a model's, as {@link listCache} gives it; without, all models and all rewritten decoders go
 * @returns what was removed
 * @throws what the file system throws where files may not be removed
 * @example
 * await clearCache('HuggingFaceTB/SmolVLM-256M-Instruct');
 */
export async function clearCache(name?: string, where: CachePlace = {}): Promise<readonly Cached[]> {
  const { cache_dir: folder = env.cacheDir ?? '' } = where;
  const all = await listCache(where);
  // a name that is not in the list is nobody's path
  const gone = all.filter((one) => name === undefined || (one.kind === 'model' && one.name === name));
  for (const one of gone)
    if (one.kind === 'model')
      await rm(join(folder, ...one.name.split('/')), { recursive: true, force: true });
  if (name === undefined) await clearRewrites();
  return gone;
}

/** Links are nobody's model: what they lead to stays where it is. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function isModel(folder: string): Promise<boolean> {
  return (await lstat(join(folder, 'config.json')).catch(() => undefined))?.isFile() ?? false;
}

async function sizeOf(folder: string): Promise<{ bytes: number; files: number }> {
  let bytes = 0;
  let files = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    files++;
    bytes += (await lstat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size;
  }
  return { bytes, files };
}
