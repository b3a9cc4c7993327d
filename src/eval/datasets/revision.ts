/**
 * Which dataset a task really reads, for records and for the key of its answers: under which name it was found, and at which
 * commit of the hub; of files on disk, a hash of their names, sizes and samples of their contents.
 */
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { FastvError } from '../../errors.js';
import { bodyOf } from '../../files/http.js';
import { addFileSamples } from '../model-fingerprint.js';
import { orIo } from './data-file.js';
import { resolveRepository, type ResolveOptions } from './hub.js';

/** A dataset as it was read. */
export interface DatasetRevision {
  /** `<owner>/<name>`, where it is known: the one that was asked for, or its present name. */
  readonly repository: string;
  /** A commit of the hub, or `files:` and a hash; undefined where the hub does not say. */
  readonly revision?: string;
}

/** @throws {FastvError} `io` if the dataset is nowhere */
export async function datasetRevision(
  repository: string,
  options: ResolveOptions = {},
): Promise<DatasetRevision> {
  const files = await resolveRepository(repository, options);
  const [first] = files;
  const name = first?.repository ?? repository;
  if (first?.folder === undefined) {
    const revision = await commitOf(name, options);
    return { repository: name, ...(revision === undefined ? {} : { revision }) };
  }
  const hash = createHash('sha256');
  for (const { path, folder = '' } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1)))
    await addFileSamples(hash, join(folder, basename(path)), path);
  return { repository: name, revision: `files:${hash.digest('hex').slice(0, 16)}` };
}

/** An answer of the hub about a revision has some kilobytes, and a list of all files. */
const MAX_BYTES = 2 ** 25;

/** The commit that a branch points to. Undefined where the server does not know the question (a mirror). */
async function commitOf(repository: string, options: ResolveOptions): Promise<string | undefined> {
  const { endpoint = 'https://huggingface.co', revision = 'main', headers = {}, timeout = 120_000 } = options;
  const get = options.fetch ?? fetch;
  const url = `${endpoint}/api/datasets/${repository}/revision/${encodeURIComponent(revision)}`;
  const response = await orIo(repository, get(url, { headers, signal: AbortSignal.timeout(timeout) }));
  if (!response.ok) {
    await response.body?.cancel();
    return undefined;
  }
  const body = await orIo(repository, bodyOf(response, MAX_BYTES, repository));
  try {
    const { sha } = JSON.parse(new TextDecoder().decode(body)) as { sha?: unknown };
    return typeof sha === 'string' && /^[0-9a-f]{7,64}$/.test(sha) ? sha : undefined;
  } catch (cause) {
    throw new FastvError('io', 'the hub sent no description of the dataset', { where: repository, cause });
  }
}
