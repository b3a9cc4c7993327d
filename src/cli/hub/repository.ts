/** What lies in a repository on the hub. */
import { FastvError } from '../../errors.js';
import { bodyOf, isFileSize, nextPage } from '../../files/http.js';
import { isRecord } from '../../runtime/transformers.js';
import { refusal, unreachable, type HubFetch } from './fetch.js';
import type { HubFile } from './model-files.js';
import type { HubSettings } from './settings.js';

/** Names as the hub has them: `<owner>/<name>`, or a name alone. */
const NAME = /^(?:[\w-][\w.-]*\/)?[\w-][\w.-]{0,95}$/u;
/** Pages of a listing that are read at most. */
const PAGES = 20;

/** A model on the hub. */
export interface Repository {
  readonly model: string;
  readonly revision: string;
}

/** @throws {FastvError} `invalid-option` for what cannot be a model's name */
export function checkName(model: string): void {
  if (NAME.test(model) && !model.includes('..')) return;
  throw new FastvError('invalid-option', `${JSON.stringify(model.slice(0, 100))} is no model's name`, {
    where: 'NAME',
    hint: 'for example HuggingFaceTB/SmolVLM-256M-Instruct; fastv models lists some',
  });
}

/**
 * Lists a repository's files.
 * @throws {FastvError} `io`
 */
export async function listFiles(
  { model, revision }: Repository,
  fetch: HubFetch,
  settings: HubSettings,
): Promise<readonly HubFile[]> {
  const files: HubFile[] = [];
  const base = `${settings.endpoint}/api/models/${model}/tree/${encodeURIComponent(revision)}?recursive=true`;
  let url: string | null = base;
  for (let page = 0; url !== null; page++) {
    if (page === PAGES) throw new FastvError('io', 'the list of files does not end', { where: base });
    const response: Response = await fetch(url, jsonRequest());
    if (!response.ok) throw refusal(response, { kind: 'model', name: model }, settings);
    const entries = await jsonOf(response, base);
    if (!Array.isArray(entries)) {
      throw new FastvError('io', 'the hub answers something else than a list of files', {
        where: base,
        hint: 'Check HF_ENDPOINT.',
      });
    }
    files.push(...entries.flatMap(fileOf));
    url = nextPage(response, base);
  }
  return files;
}

/**
 * Whether a model's terms must be accepted first, as the hub says.
 * @returns null where it does not say
 * @throws {FastvError} `io`
 */
export async function isGated(
  { model }: Pick<Repository, 'model'>,
  fetch: HubFetch,
  settings: HubSettings,
): Promise<boolean | null> {
  const url = `${settings.endpoint}/api/models/${model}`;
  const response = await fetch(url, jsonRequest());
  if (!response.ok) {
    await response.body?.cancel();
    return null;
  }
  const about = await jsonOf(response, url);
  const gated = isRecord(about) ? about['gated'] : undefined;
  // false, or how requests are granted: 'auto' or 'manual'
  return gated === undefined ? null : gated !== false;
}

/** Asks for JSON, and does not wait for ever. */
function jsonRequest(): { headers: { accept: string }; signal: AbortSignal } {
  return { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(120_000) };
}

/** A page of a list of files has some hundred kilobytes. */
const MAX_JSON = 2 ** 25;

/** An answer's JSON. @throws {FastvError} `io` if the answer is cut, has no end, or is none */
async function jsonOf(response: Response, url: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(await bodyOf(response, MAX_JSON, url))) as unknown;
  } catch (cause) {
    throw cause instanceof FastvError ? cause : unreachable(url, cause);
  }
}

/** An entry of a listing; folders, and paths that would leave the model's folder, are none. */
function fileOf(entry: unknown): HubFile[] {
  if (!isRecord(entry) || entry['type'] !== 'file') return [];
  const { path, size, oid, lfs } = entry;
  if (typeof path !== 'string' || !isFileSize(size) || !isSafePath(path)) return [];
  if (isRecord(lfs) && typeof lfs['oid'] === 'string') {
    return [{ path, size, digest: { kind: 'sha256', value: lfs['oid'].replace(/^sha256:/u, '') } }];
  }
  return typeof oid === 'string' ? [{ path, size, digest: { kind: 'git-sha1', value: oid } }] : [];
}

function isSafePath(path: string): boolean {
  return path.split('/').every((part) => /^[\w.-]+$/u.test(part) && part !== '.' && part !== '..');
}
