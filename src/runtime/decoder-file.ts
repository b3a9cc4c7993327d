// Rewritten decoders on disk, made once. The graph is loaded from memory; its weights stay where they are, in the
// original's file and in its data files. The name's key stands for the original's bytes, the cut and this program's
// version, so nothing stale can be picked up; rewrite-cache.ts sees to it that nothing strange is.
import { closeSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { FastvError } from '../errors.js';
import { isListed } from '../strategies/index.js';
import { readModelBytes } from '../files/model-file.js';
import { modelRoots } from '../files/model-roots.js';
import { liesIn, openRegular, streamRegular } from '../files/read.js';
import { ownCacheFolder } from '../files/user-cache.js';
import { version } from '../version.js';
import type { RewriteRequest } from './plug.js';
import { keepGraph, keptGraph, sha256Of } from './rewrite-cache.js';
import { rewrittenGraph, withWeightsAt } from './rewritten-graph.js';
import type { SessionOptions, SessionSource } from './session-swap.js';

/**
 * The rewritten decoder of a decoder file: the one that was kept, if it is still what was written, else made now and
 * kept; in memory alone if it cannot be kept.
 * @throws {FastvError} `io`, `malformed-model`, `external-data` or `unsupported-decoder`, naming the file
 */
export async function rewriteFile(
  path: string,
  options: SessionOptions,
  request: RewriteRequest,
): Promise<SessionSource> {
  // the name of a strategy that a caller wrote does not say what it does
  const graph =
    request.cache && isListed(request.strategy)
      ? await cachedGraph(path, request)
      : make(path, await readModelBytes(path), request);
  return besideWeights(path, graph, options);
}

/**
 * What loads a graph that was made of the file at `path`: its weights lie there, and in the data files beside it.
 * @throws {FastvError} `external-data` if a data file is absent or not the model's
 */
export function besideWeights(
  path: string,
  graph: Uint8Array<ArrayBuffer>,
  options: SessionOptions,
): SessionSource {
  const { folder, nameOf } = weightsOf(path);
  return inMemory(withWeightsAt(graph, nameOf), folder, options);
}

/** What loads a graph from memory whose weights lie in `folder`. */
function inMemory(model: Uint8Array, folder: string, options: SessionOptions): SessionSource {
  const extra: Record<string, unknown> = { ...options.extra };
  const session = typeof extra['session'] === 'object' ? extra['session'] : {};
  extra['session'] = { ...session, model_external_initializers_file_folder_path: folder };
  return { model, options: { ...options, extra } };
}

/** Where ONNX Runtime finds the weights of a rewritten decoder. */
interface Weights {
  /** The folder that all names begin in. */
  readonly folder: string;
  /**
   * The name there of a file that is named relative to the decoder.
   * @throws {FastvError} `external-data` if it is absent or not the model's
   */
  readonly nameOf: (location: string) => string;
}

/**
 * ONNX Runtime follows no link out of the folder that it is told, so it gets real names. Of a model in a hub's cache,
 * whose files are links to blobs, that folder is the one above both.
 */
function weightsOf(path: string): Weights {
  const roots = modelRoots(path);
  const folder = commonFolder(roots);
  const nameOf = (location: string): string => {
    const { fd, realPath } = openRegular(join(dirname(path), location), { code: 'external-data', roots });
    closeSync(fd);
    return relative(folder, realPath).split(sep).join('/');
  };
  return { folder, nameOf };
}

/** The innermost folder that holds all of these, which are real paths. */
function commonFolder(folders: readonly string[]): string {
  let common = folders[0] ?? '';
  while (!folders.every((folder) => folder === common || liesIn(folder, common))) common = dirname(common);
  return common;
}

/** The graph that was kept, or one that is made now and kept. */
async function cachedGraph(path: string, request: RewriteRequest): Promise<Uint8Array<ArrayBuffer>> {
  const { layers, strategy, weights, merge, sharing, mass, warn } = request;
  const digest = await sha256OfFile(path);
  const cut = { layers, strategy: strategy.name, weights, merge, perImage: sharing?.perImage, mass };
  const key = sha256Of(JSON.stringify({ digest, ...cut, version })).slice(0, 16);
  const name = `${basename(path, '.onnx')}.fastv-${key}.onnx`;
  const kept = await placeOf(path, name).then(keptGraph, () => undefined);
  if (kept !== undefined) return kept;

  const bytes = await readModelBytes(path);
  if (sha256Of(bytes) !== digest) {
    throw new FastvError('io', 'the decoder was changed while it was read', {
      where: path,
      hint: 'Load it again.',
    });
  }
  const graph = make(path, bytes, request);
  try {
    await keepGraph(await placeOf(path, name), graph);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const where = error instanceof FastvError && error.where !== undefined ? ` (${error.where})` : '';
    warn(
      `the rewritten decoder cannot be kept, so every load makes it anew: ${reason}${where}`,
      'not-cached',
    );
  }
  return graph;
}

function make(path: string, bytes: Uint8Array, request: RewriteRequest): Uint8Array<ArrayBuffer> {
  return rewrittenGraph(bytes, request, basename(path), path);
}

/**
 * Where the graph of a decoder is kept: beside it. Not in a hub's cache, whose folders hold nothing but links to what
 * the hub has: that of a link is kept in the user's own cache.
 */
async function placeOf(path: string, name: string): Promise<string> {
  return join(modelRoots(path).length === 1 ? dirname(path) : await ownCacheFolder('graphs'), name);
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(streamRegular(path), hash);
  return hash.digest('hex');
}
