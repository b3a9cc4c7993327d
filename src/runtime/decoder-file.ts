// Rewritten decoders on disk: beside the model's file, made once. The name's key stands for the original's bytes, the
// cut and this program's version, so nothing stale can be picked up.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FastvError } from '../errors.js';
import { isListed } from '../strategies/index.js';
import { version } from '../version.js';
import type { RewriteRequest } from './plug.js';
import { rewrittenGraph } from './rewritten-graph.js';
import type { SessionOptions, SessionSource } from './session-swap.js';

/** A file this large cannot be a protobuf message, let alone be read into one array. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * The rewritten decoder of a decoder file: from the cache beside it, else made now and written there; in memory if
 * that folder cannot be written to.
 */
export async function rewriteFile(
  path: string,
  options: SessionOptions,
  request: RewriteRequest,
): Promise<SessionSource> {
  const { size } = await stat(path);
  if (size > MAX_BYTES) {
    throw new FastvError('malformed-model', 'the decoder is larger than 2 GB', {
      where: path,
      hint: 'Export it with external data.',
    });
  }
  const { layers, strategy } = request;
  const cut = { layers, strategy };
  const folder = dirname(path);
  // weights are referred to by name; ONNX Runtime follows no link out of the model's folder
  const weightsFile = (await lstat(path)).isSymbolicLink() ? undefined : basename(path);
  // the name of a strategy that a caller wrote does not say what it does
  if (!request.cache || !isListed(strategy))
    return inMemory(rewrittenGraph(await readFile(path), cut, weightsFile), folder, options);

  const key = createHash('sha256')
    .update(JSON.stringify({ file: await sha256(path), layers, strategy: strategy.name, version }))
    .digest('hex')
    .slice(0, 16);
  const cached = join(folder, `${basename(path, '.onnx')}.fastv-${key}.onnx`);
  if (await exists(cached)) return { model: cached, options };

  const graph = rewrittenGraph(await readFile(path), cut, weightsFile);
  const temporary = `${cached}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    await writeFile(temporary, graph, { flag: 'wx' });
    await rename(temporary, cached);
    return { model: cached, options };
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    request.warn(
      `the rewritten decoder cannot be kept beside the model, so every load makes it anew: ${reason}`,
      'not-cached',
    );
    return inMemory(graph, folder, options);
  }
}

/** What loads a graph from memory whose weights lie in `folder`. */
export function inMemory(model: Uint8Array, folder: string, options: SessionOptions): SessionSource {
  const extra: Record<string, unknown> = { ...options.extra };
  const session = typeof extra['session'] === 'object' ? extra['session'] : {};
  extra['session'] = { ...session, model_external_initializers_file_folder_path: folder };
  return { model, options: { ...options, extra } };
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile() && found.size > 0,
    () => false,
  );
}
