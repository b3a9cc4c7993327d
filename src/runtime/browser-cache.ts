// What is kept of models in a browser: what Transformers.js put into Cache Storage. Decoders are rewritten in memory there.
import { env } from '@huggingface/transformers';
import { bytesOf, type Cached } from './cached-model.js';

/**
 * What Transformers.js keeps in this origin's Cache Storage: models, and ONNX Runtime's WebAssembly.
 * @example
 * for (const { name, bytes } of await listCache()) console.log(name, bytes);
 */
export async function listCache(): Promise<readonly Cached[]> {
  const found = new Map<string, Cached>();
  const cache = await openCache();
  for (const request of (await cache?.keys()) ?? []) {
    const response = await cache?.match(request);
    if (response === undefined) continue;
    // what was sent compressed says another length than it has
    const said = response.headers.has('content-encoding') ? null : response.headers.get('content-length');
    const bytes = said === null ? (await response.blob()).size : Number(said);
    const owner = ownerOf(request.url);
    const known = found.get(owner.name) ?? { ...owner, bytes: 0, files: 0 };
    found.set(owner.name, { ...known, bytes: known.bytes + bytes, files: known.files + 1 });
  }
  return [...found.values()];
}

/**
 * Bytes of all that is kept.
 * @example
 * console.log(`${Math.round((await cacheSize()) / 1e6)} MB`);
 */
export async function cacheSize(): Promise<number> {
  return bytesOf(await listCache());
}

/**
 * Removes one model, or everything. Models that are open stay usable; they are fetched again at their next load.
 * @param name as {@link listCache} gives it
 * @returns what was removed
 * @example
 * await clearCache('HuggingFaceTB/SmolVLM-256M-Instruct');
 */
export async function clearCache(name?: string): Promise<readonly Cached[]> {
  const gone = (await listCache()).filter((one) => name === undefined || one.name === name);
  const cache = await openCache();
  for (const request of (await cache?.keys()) ?? [])
    if (gone.some((one) => one.name === ownerOf(request.url).name)) await cache?.delete(request);
  return gone;
}

/** undefined where there is none: a page that is not secure, or a browser that forbids it. */
async function openCache(): Promise<Cache | undefined> {
  if (typeof caches === 'undefined' || !(await caches.has(env.cacheKey).catch(() => false))) return undefined;
  return caches.open(env.cacheKey);
}

/** `https://huggingface.co/<owner>/<name>/resolve/<revision>/<file>`, or a page's own `…/models/<owner>/<name>/<file>`. */
function ownerOf(url: string): Pick<Cached, 'kind' | 'name'> {
  const { pathname } = new URL(url);
  const ofHub = /^\/(.+?)\/resolve\//u.exec(pathname)?.[1];
  const local = new URL(env.localModelPath, self.location.href).pathname;
  const own = pathname.startsWith(local) ? pathname.slice(local.length) : '';
  const name = ofHub ?? /^(.+?)\/(?:onnx\/)?[^/]+$/u.exec(own)?.[1];
  return name === undefined
    ? { kind: 'runtime', name: 'onnxruntime-web' }
    : { kind: 'model', name: decodeURIComponent(name) };
}
