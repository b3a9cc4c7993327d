/**
 * Where the Hugging Face hub is and who asks, as Hugging Face's own tools read it from the environment
 * (huggingface_hub, "Environment variables").
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The hub as the environment describes it. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token?: string;
  /** `HF_HUB_OFFLINE`: nothing is fetched. */
  readonly offline: boolean;
  /** Where models are kept, if `HF_HOME` says so; else Transformers.js's own cache. */
  readonly cacheFolder?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE` and `HF_HOME`. */
export function hubSettings(env: Environment = process.env): HubSettings {
  const endpoint = (set(env, 'HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/u, '');
  const home = set(env, 'HF_HOME');
  const token = tokenOf(env, home);
  return {
    endpoint,
    ...(token === undefined ? {} : { token }),
    offline: /^(1|true|yes|on)$/iu.test(set(env, 'HF_HUB_OFFLINE') ?? ''),
    // in a folder of its own: Python's tools lay the files out otherwise
    ...(home === undefined ? {} : { cacheFolder: join(home, 'transformers.js') }),
  };
}

function tokenOf(env: Environment, home: string | undefined): string | undefined {
  const given = set(env, 'HF_TOKEN') ?? set(env, 'HUGGING_FACE_HUB_TOKEN');
  if (given !== undefined) return given;
  const cache = set(env, 'XDG_CACHE_HOME') ?? join(homedir(), '.cache');
  const file = set(env, 'HF_TOKEN_PATH') ?? join(home ?? join(cache, 'huggingface'), 'token');
  try {
    const token = readFileSync(file, 'utf8').trim();
    return token === '' ? undefined : token;
  } catch {
    return undefined; // nobody has logged in
  }
}

function set(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === undefined || value === '' ? undefined : value;
}
