/** Where datasets are, as a command's flags and the environment say: folders, else the hub, as models are fetched from it. */
import type { OpenOptions } from '../eval/tasks/open-task.js';
import { hubFetch, refusal } from './hub/fetch.js';
import { hubSettings, type HubSettings } from './hub/settings.js';

/** The flags. */
export interface DatasetFlags {
  readonly data?: readonly string[];
  readonly images?: string;
  readonly revision?: string;
  readonly allowNetwork?: boolean;
}

/** The options of a task that is to be opened. */
export function datasetOptions(flags: DatasetFlags, settings: HubSettings = hubSettings()): OpenOptions {
  const { data, images, revision, allowNetwork = false } = flags;
  return {
    ...(data === undefined ? {} : { folders: data }),
    ...(images === undefined ? {} : { imageFolder: images }),
    ...(revision === undefined ? {} : { revision }),
    allowNetwork: allowNetwork && !settings.offline,
    endpoint: settings.endpoint,
    fetch: datasetFetch(settings),
  };
}

/** A fetch that throws the hub's refusals. */
function datasetFetch(settings: HubSettings): typeof fetch {
  const get = hubFetch(settings);
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = Object.fromEntries(new Headers(init?.headers));
    const response = await get(url, { headers, ...(init?.signal == null ? {} : { signal: init.signal }) });
    if (response.ok) return response;
    await response.body?.cancel();
    const name = /\/datasets\/([^/]+\/[^/]+)/u.exec(new URL(url).pathname)?.[1] ?? url;
    throw refusal(response, { kind: 'dataset', name }, settings);
  };
}
