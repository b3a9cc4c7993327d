/** Transformers.js as the commands need it: nothing is fetched unasked, and what goes wrong is said once, by us. */
import { env, LogLevel } from '@huggingface/transformers';
import { hubFetch, refusal } from './hub/fetch.js';
import { hubSettings, type HubSettings } from './hub/settings.js';

/**
 * To be called before a model is loaded.
 * @param flags whether models may be fetched
 */
export function prepareTransformers({ allowNetwork = false }: { readonly allowNetwork?: boolean }): void {
  const settings = hubSettings();
  env.allowRemoteModels = allowNetwork && !settings.offline;
  env.remoteHost = `${settings.endpoint}/`;
  env.cacheDir = modelCacheFolder(settings);
  env.fetch = fetchOf(settings);
  // at a failure Transformers.js prints every input tensor and ONNX Runtime its C++ log; the error is thrown besides
  env.logLevel = process.env['FASTV_DEBUG'] === undefined ? LogLevel.NONE : LogLevel.WARNING;
}

/** Where Transformers.js keeps models: its own cache, or in `HF_HOME`. */
export function modelCacheFolder(settings: HubSettings = hubSettings()): string {
  return settings.cacheFolder ?? DEFAULT_CACHE;
}

const DEFAULT_CACHE = env.cacheDir ?? '.cache';

/** Transformers.js's fetch: the hub's refusals are errors of ours, except that an optional file may be missing. */
function fetchOf(settings: HubSettings): typeof env.fetch {
  const fetch = hubFetch(settings);
  return async (input: string | URL, init?: { headers?: HeadersInit; signal?: AbortSignal }) => {
    const url = String(input);
    const headers = Object.fromEntries(new Headers(init?.headers));
    const response = await fetch(url, { headers, ...(init?.signal == null ? {} : { signal: init.signal }) });
    if (response.ok || response.status === 404) return response;
    throw refusal(response, { kind: 'model', name: modelOf(url, settings) }, settings);
  };
}

/** The model that a file's URL belongs to. */
function modelOf(url: string, { endpoint }: HubSettings): string {
  return url.startsWith(`${endpoint}/`) ? (url.slice(endpoint.length + 1).split('/resolve/')[0] ?? url) : url;
}
