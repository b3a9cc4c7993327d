/**
 * Where a dataset's files are: in a folder laid out like its repository on the hub, or on the hub
 * itself, from where they are streamed, if the network is allowed.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { FastvError } from '../../errors.js';
import { fileCode, fileError } from '../../files/file-error.js';
import { bodyOf, isFileSize, nextPage } from '../../files/http.js';
import { localFile, orIo, remoteFile, type DataFile, type RemoteOptions } from './data-file.js';
import { READERS } from './read.js';

export interface ResolveOptions extends RemoteOptions {
  /** Folders that may hold the dataset, as `<folder>/<owner>/<name>` or `<folder>/<name>` or the folder itself. */
  readonly folders?: readonly string[];
  /** Datasets that are known by other names: a folder that is called like one of them is that one. */
  readonly others?: readonly string[];
  readonly allowNetwork?: boolean;
  /** The hub's address. */
  readonly endpoint?: string;
  readonly revision?: string;
}

/** A file that could be opened. */
export interface Listed {
  /** In the repository, with slashes. */
  readonly path: string;
  /** The name under which its dataset was found; absent for a folder that is named as it likes. */
  readonly repository?: string;
  /** The folder that it is in, if it is on disk: paths of images in it begin there. */
  readonly folder?: string;
  /** The dataset's own folder, if it is on disk. */
  readonly root?: string;
  open(): Promise<DataFile>;
}

/**
 * The files of one split, in the order of their names.
 * @param repository `owner/name`
 * @param config the subset, which is the files' folder; null where there is but one
 * @throws FastvError `io` if the dataset is nowhere, `invalid-input` if it has no such split
 */
export async function resolveSplit(
  repository: string,
  config: string | null,
  split: string,
  options: ResolveOptions = {},
): Promise<readonly Listed[]> {
  const files = await resolveRepository(repository, options);
  const found = selectSplit(
    files.map((f) => f.path),
    config,
    split,
  );
  if (found.length === 0) {
    throw new FastvError(
      'invalid-input',
      `no files of the split ${config === null ? '' : `${config}/`}${split}`,
      {
        where: repository,
        hint: `files are named <config>/<split>-*.parquet (or .arrow, .jsonl, .json); there are: ${
          files
            .slice(0, 5)
            .map((f) => f.path)
            .join(', ') || 'none'
        }`,
      },
    );
  }
  return files.filter((f) => found.includes(f.path)).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Every data file of a dataset, local or remote. @throws FastvError `io` if it is nowhere */
export async function resolveRepository(
  repository: string,
  options: ResolveOptions = {},
): Promise<readonly Listed[]> {
  const name = checkName(repository);
  const others = (options.others ?? []).filter((other) => other !== repository);
  for (const folder of options.folders ?? []) {
    for (const place of placesOf(folder, repository, name)) {
      const files = await listFolder(place.folder);
      if (files.length > 0) return files.map((file) => ({ ...file, repository: place.repository }));
    }
    const files = await listFolder(folder);
    if (isItself(folder, files, repository, others)) return files;
  }
  if (options.allowNetwork !== true) {
    throw new FastvError(
      'io',
      'the dataset is in none of the given folders, and the network is not allowed',
      {
        where: repository,
        hint: 'give its folder with --data, or allow the network with --allow-network',
      },
    );
  }
  const moved = ALIASES.get(repository);
  try {
    return await listHub(repository, options);
  } catch (error) {
    // the hub sends on from old names for the time being; when it stops, it says 401 or 404
    if (moved === undefined || !(error instanceof FastvError) || !/answered 40[14]/.test(error.message))
      throw error;
    return listHub(moved, options);
  }
}

/**
 * Datasets that have moved, as lmms-eval announced it (pull request 1416, July 2026): the tasks name them as the field knows
 * them, and results say which of both names was read.
 */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ...[
    ...['VQAv2', 'GQA', 'POPE', 'MME', 'MMMU', 'MMBench', 'textvqa', 'ScienceQA', 'SEED-Bench', 'ai2d'],
    ...['flickr30k', 'NoCaps', 'COCO-Caption2017', 'RefCOCO', 'RefCOCOplus', 'RefCOCOg', 'DocVQA', 'ChartQA'],
    ...['VizWiz-VQA', 'HallusionBench', 'RealWorldQA', 'vstar-bench'],
  ].map((name) => [`lmms-lab/${name}`, `lmms-lab-encoder/${name}`] as const),
  ['lmms-lab/Video-MME', 'lmms-eval/Video-MME'],
]);

interface Place {
  readonly folder: string;
  readonly repository: string;
}

/** Where a folder of datasets may have this one, by its name. */
function placesOf(folder: string, repository: string, name: string): Place[] {
  const moved = ALIASES.get(repository);
  return [
    { folder: join(folder, repository), repository },
    ...(moved === undefined ? [] : [{ folder: join(folder, moved), repository: moved }]),
    { folder: join(folder, name), repository },
  ];
}

/**
 * Whether a folder is the dataset itself: because it is named so, or because it is named like no other and has data files
 * where a repository has them. What lies deeper is a dataset among others, and another one than is wanted.
 */
function isItself(
  folder: string,
  files: readonly Listed[],
  repository: string,
  others: readonly string[],
): boolean {
  if (files.length === 0) return false;
  const own = resolve(folder);
  const ownerOf = (name: string): string => name.split('/')[0] ?? '';
  // the folder, and those that it lies in: `<owner>/<name>/data` is a part of that dataset
  for (const place of [own, dirname(own), dirname(dirname(own))]) {
    const called = (other: string): boolean =>
      basename(place).toLowerCase() === basename(other).toLowerCase();
    if (called(repository)) return true;
    if (others.some(called)) return false;
  }
  // <owner>/<another name>
  const owners = [repository, ALIASES.get(repository) ?? repository].map(ownerOf);
  if (owners.includes(basename(dirname(own)))) return false;
  return files.every(({ path }) => path.split('/').length <= 2);
}

/** Paths that belong to a split: `<config>/<split>-00000-of-00003.parquet`, `data/<split>.jsonl`, … */
export function selectSplit(paths: readonly string[], config: string | null, split: string): string[] {
  const inSplit = paths.filter((path) => {
    const parts = path.split('/');
    const base = parts.pop() ?? '';
    const stem = base.slice(0, base.length - extname(base).length);
    const named = stem === split || (stem.startsWith(split) && /^-\d/.test(stem.slice(split.length)));
    // converted repositories have <config>/<split>/0000.parquet
    const foldered = parts.at(-1) === split && /^\d+$/.test(stem);
    if (!named && !foldered) return false;
    if (foldered) parts.pop();
    return config === null ? true : parts.includes(config);
  });
  if (config !== null) return inSplit;
  const folders = new Set(inSplit.map((path) => path.split('/').slice(0, -1).join('/')));
  if (folders.size > 1) {
    const preferred = ['data', 'default', ''].find((f) => folders.has(f));
    if (preferred !== undefined)
      return inSplit.filter((p) => p.split('/').slice(0, -1).join('/') === preferred);
    throw new FastvError('invalid-option', 'the dataset has several configurations of this split', {
      where: [...folders].slice(0, 10).join(', '),
      hint: 'name one',
    });
  }
  return inSplit;
}

function checkName(repository: string): string {
  const match = /^[A-Za-z0-9][\w.-]{0,95}\/([A-Za-z0-9][\w.-]{0,95})$/.exec(repository);
  if (match?.[1] === undefined || repository.includes('..')) {
    throw new FastvError('invalid-option', 'a dataset is named <owner>/<name>', {
      where: repository.slice(0, 200),
    });
  }
  return match[1];
}

async function listFolder(folder: string): Promise<Listed[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((e) => e.isFile() && isData(e.name))
      .map((e) => {
        const path = join(e.parentPath, e.name);
        return {
          path: relative(folder, path).split(sep).join('/'),
          folder: dirname(path),
          root: folder,
          open: () => localFile(path),
        };
      })
      .filter((e) => !e.path.split('/').some((part) => part.startsWith('.')));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(fileCode(error) ?? '')) return [];
    throw fileError('read', folder, error);
  }
}

/** A page of a list of files has some hundred kilobytes. */
const MAX_LIST_BYTES = 2 ** 25;

function parsedList(body: Uint8Array, repository: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new FastvError('io', 'the hub sent no list of files', { where: repository, cause });
  }
}

async function listHub(repository: string, options: ResolveOptions): Promise<Listed[]> {
  const {
    endpoint = 'https://huggingface.co',
    revision = 'main',
    fetch: get = fetch,
    timeout = 120_000,
  } = options;
  const headers = options.headers ?? {};
  const files: Listed[] = [];
  const base = `${endpoint}/api/datasets/${repository}/tree/${encodeURIComponent(revision)}?recursive=true`;
  let url: string | null = base;
  for (let page = 0; url !== null; page++) {
    if (page === 100) throw new FastvError('io', 'the list of files does not end', { where: repository });
    const response: Response = await orIo(
      repository,
      get(url, { headers, signal: AbortSignal.timeout(timeout) }),
    );
    if (!response.ok) {
      throw new FastvError('io', `the hub answered ${response.status}`, {
        where: repository,
        ...(response.status === 401 ? { hint: 'check the name; for a gated dataset set HF_TOKEN' } : {}),
      });
    }
    const body = await orIo(repository, bodyOf(response, MAX_LIST_BYTES, repository));
    const listed = parsedList(body, repository);
    if (!Array.isArray(listed))
      throw new FastvError('io', 'the hub sent no list of files', { where: repository });
    for (const entry of listed as unknown[]) {
      const { type, path, size } = entry as { type?: unknown; path?: unknown; size?: unknown };
      if (type !== 'file' || typeof path !== 'string' || !isFileSize(size) || !isData(path)) continue;
      const encoded = path.split('/').map(encodeURIComponent).join('/');
      const address = `${endpoint}/datasets/${repository}/resolve/${encodeURIComponent(revision)}/${encoded}`;
      const name = `${repository}/${path}`;
      files.push({
        path,
        repository,
        open: () => Promise.resolve(remoteFile(address, size, name, { ...options, headers })),
      });
    }
    url = nextPage(response, base);
  }
  return files;
}

function isData(path: string): boolean {
  return READERS[extname(path).toLowerCase()] !== undefined;
}
