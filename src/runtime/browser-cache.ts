// What is kept of models in a browser: what Transformers.js put into Cache Storage. Decoders are rewritten in memory there.
import { env } from '@huggingface/transformers';
import { bytesOf, type Cached } from './cached-model.js';

/**
 * Models that are kept in this origin's Cache Storage.
 * @example
 * for (const { name, bytes } of await listCache()) console.log(name, bytes);
 */
export async function listCache(): Promise<readonly Cached[]> {
  const models = new Map<string, Cached>();
  const cache = await openCache();
  for (const request of (await cache?.keys()) ?? []) {
    const name = modelOf(request.url);
    const response = name === undefined ? undefined : await cache?.match(request);
    if (name === undefined || response === undefined) continue;
    // what was sent compressed says another length than it has
    const said = response.headers.has('content-encoding') ? null : response.headers.get('content-length');
    const bytes = said === null ? (await response.blob()).size : Number(said);
    const known = models.get(name) ?? { kind: 'model', name, bytes: 0, files: 0 };
    models.set(name, { ...known, bytes: known.bytes + bytes, files: known.files + 1 });
  }
  return [...models.values()];
}

/**
 * Bytes of all models that are kept.
 * @example
 * console.log(`${Math.round((await cacheSize()) / 1e6)} MB`);
 */
export async function cacheSize(): Promise<number> {
  return bytesOf(await listCache());
}

/**
 * Removes one model, or all. Models that are open stay usable; they are fetched again at their next load.
 * @param name as {@link listCache} gives it
 * @returns what was removed
 * @example
 * await clearCache('HuggingFaceTB/SmolVLM-256M-Instruct');
 */
export async function clearCache(name?: string): Promise<readonly Cached[]> {
  const gone = (await listCache()).filter((one) => name === undefined || one.name === name);
  const cache = await openCache();
  for (const request of (await cache?.keys()) ?? [])
    if (gone.some((one) => one.name === modelOf(request.url))) await cache?.delete(request);
  return gone;
}

/** undefined where there is none: a page that is not secure, or a browser that forbids it. */
async function openCache(): Promise<Cache | undefined> {
  if (typeof caches === 'undefined' || !(await caches.has(env.cacheKey).catch(() => false))) return undefined;
  return caches.open(env.cacheKey);
}

/** `https://huggingface.co/<owner>/<name>/resolve/<revision>/<file>`, or a page's own `…/models/<owner>/<name>/<file>`. */
function modelOf(url: string): string | undefined {
  const { pathname } = new URL(url);
  const ofHub = /^\/(.+?)\/resolve\//u.exec(pathname)?.[1];
  if (ofHub !== undefined) return decodeURIComponent(ofHub);
  const local = new URL(env.localModelPath, self.location.href).pathname;
  if (!pathname.startsWith(local)) return undefined;
  return /^(.+?)\/(?:onnx\/)?[^/]+$/u.exec(decodeURIComponent(pathname.slice(local.length)))?.[1];
}
