// Model files on disk: the graph in one file, its weights there or in files beside it.
import { closeSync } from 'node:fs';
import { link, lstat, realpath, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { isLfsPointer, LFS_HINT } from '../lfs-pointer.js';
import {
  decodeModel,
  encodeModel,
  externalFiles,
  externalTensors,
  MAX_MODEL_BYTES,
  type OnnxModel,
} from '../onnx/index.js';
import { writeAtomically, writeError } from './atomic.js';
import { fileCode } from './file-error.js';
import { makeFolder } from './make-folder.js';
import { checkModelHead } from './model-head.js';
import { modelRoots } from './model-roots.js';
import { liesIn, openRegular, readRegular, readRegularSync, streamRegular } from './read.js';

/** A model as it lies on disk. */
export interface ModelFile {
  readonly path: string;
  readonly model: OnnxModel;
  /** The file itself, which the weights inside it are views of. */
  readonly bytes: Uint8Array;
  /** External data files, relative to the model's folder. */
  readonly dataFiles: readonly string[];
}

/**
 * Reads a model and checks that its external data is there, which is not read.
 * @param options.checkData `false` for callers that only look at the graph
 * @throws {FastvError} `io` if the file cannot be read, `malformed-model`, or `external-data` if a weight file is
 *   absent, too short, or outside the model's folder, by name or by a link
 */
export async function readModelFile(
  path: string,
  options: { readonly checkData?: boolean } = {},
): Promise<ModelFile> {
  const bytes = await readModelBytes(path);
  const model = decodeModel(bytes, path);
  if (options.checkData ?? true) checkExternalData(model, path);
  return { path, model, bytes, dataFiles: externalFiles(model) };
}

/**
 * The bytes of a model file.
 * @throws {FastvError} `io` if it cannot be read, `malformed-model` if it is larger than an ONNX file can be
 */
export async function readModelBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    checkModelHead(path);
    return await readRegular(path, MAX_MODEL_BYTES, { tooLarge: (size) => tooLarge(path, size) });
  } catch (cause) {
    throw absentOr(path, cause);
  }
}

/** The same for code that is not asynchronous. */
export function readModelBytesSync(path: string): Uint8Array<ArrayBuffer> {
  try {
    checkModelHead(path);
    return readRegularSync(path, MAX_MODEL_BYTES, { tooLarge: (size) => tooLarge(path, size) });
  } catch (cause) {
    throw absentOr(path, cause);
  }
}

function tooLarge(path: string, size: number): FastvError {
  return new FastvError('malformed-model', `the file has ${size} bytes; an ONNX file has at most 2 GB`, {
    where: path,
    hint: 'Export it with external data.',
  });
}

function absentOr(path: string, cause: unknown): unknown {
  if (!(cause instanceof FastvError) || fileCode(cause.cause) !== 'ENOENT') return cause;
  return new FastvError('io', `there is no file ${path}`, { where: path, hint: 'Check the name.', cause });
}

/**
 * Writes a rewritten model. Its external data is referenced where the folder is the same, else hard-linked into the
 * new folder, or copied with `copyData`. Nothing is left behind if it fails: the file appears whole, under its name, at
 * the end.
 * @throws {FastvError} `invalid-option` if it would overwrite its own source; `external-data` if ONNX Runtime would not
 *   find the weights from there; `io` if the disk refuses
 */
export async function writeModelFile(
  model: OnnxModel,
  path: string,
  source: ModelFile,
  options: { readonly copyData?: boolean } = {},
): Promise<void> {
  const [from, to] = [dirname(resolve(source.path)), dirname(resolve(path))];
  const taken = [
    resolve(source.path),
    ...source.dataFiles.flatMap((file) => [join(from, file), join(to, file)]),
  ];
  if (taken.includes(resolve(path)) || (await sameFile(path, source.path))) {
    throw new FastvError('invalid-option', 'the output is the input, or one of its weight files', {
      where: path,
      hint: 'Choose another name.',
    });
  }
  const chunks = encodeModel(model);
  const undo: Undo[] = [];
  try {
    await makeFolderFor(to, undo);
    for (const file of source.dataFiles) {
      if (from !== to) await bring(source, file, to, options.copyData ?? false, undo);
      await refuseLinkedWeights(file, to);
    }
    await writeAtomically(path, chunks);
  } catch (cause) {
    for (const step of undo.reverse()) await step();
    throw writeError(path, cause);
  }
}

type Undo = () => Promise<unknown>;

/** Makes a folder and those above it; undone, those of them go that are empty. */
async function makeFolderFor(path: string, undo: Undo[]): Promise<void> {
  const made = await makeFolder(path);
  undo.push(async () => {
    for (const folder of made.reverse()) await rmdir(folder).catch(() => undefined);
  });
}

/** Links or copies a weight file, unless it is there already. */
async function bring(
  source: ModelFile,
  location: string,
  folder: string,
  copy: boolean,
  undo: Undo[],
): Promise<void> {
  const [from, to] = [join(dirname(resolve(source.path)), location), join(folder, location)];
  if (await sameFile(from, to)) return;
  const details = { where: to, hint: 'Choose an empty folder for the output.' };
  if ((await lstat(to).catch(() => undefined)) !== undefined) {
    throw new FastvError('io', `${to} exists and is another file`, details);
  }
  await makeFolderFor(dirname(to), undo);
  const [root, place] = await Promise.all([realpath(folder), realpath(dirname(to))]);
  if (place !== root && !liesIn(place, root)) {
    throw new FastvError('io', `${dirname(to)} is a link that leads out of the output's folder`, details);
  }
  const remove = (): Promise<void> => rm(to, { force: true });
  const own = { roots: modelRoots(source.path), code: 'external-data' } as const;
  if (copy) {
    undo.push(remove);
    await writeAtomically(to, streamRegular(from, own));
    return;
  }
  try {
    const { fd, realPath, stats } = openRegular(from, own);
    closeSync(fd);
    // The file itself: a hub's cache holds symbolic links, which lead nowhere from another folder.
    await link(realPath, to);
    undo.push(remove);
    if ((await stat(to)).ino !== stats.ino) throw new Error('it was replaced meanwhile');
  } catch (cause) {
    if (cause instanceof FastvError && fileCode(cause.cause) !== 'ENOENT') throw cause;
    throw new FastvError('io', `the weights in ${from} cannot be linked into ${dirname(to)}`, {
      where: to,
      hint: 'Write beside the original model, or copy the weights with --copy-data.',
      cause,
    });
  }
}

/**
 * Refuses weights that ONNX Runtime would not follow from there: of a model that is itself a link, as in a hub's cache,
 * it follows links into the folder of the real file; of a real file it follows none out of its own folder.
 */
async function refuseLinkedWeights(location: string, folder: string): Promise<void> {
  const path = join(folder, location);
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined || liesIn(real, await realpath(folder))) return;
  throw new FastvError(
    'external-data',
    `the weights in ${location} are a link out of ${folder}, which ONNX Runtime follows for the original only`,
    { where: path, hint: 'Write into another, empty folder: the weights are linked into it, not copied.' },
  );
}

async function sameFile(a: string, b: string): Promise<boolean> {
  const [one, two] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  return one !== undefined && one.ino === two?.ino && one.dev === two.dev;
}

/**
 * Checks that the weight files of a model are there, long enough, and its own: a link in a stranger's folder could bring
 * any file of the user's into whatever is made of the model.
 * @throws {FastvError} `external-data`
 */
function checkExternalData(model: OnnxModel, path: string): void {
  const roots = modelRoots(path);
  const sizes = new Map<string, number>();
  for (const { tensor, location, offset, length } of externalTensors(model)) {
    const file = join(dirname(path), location);
    const size = sizes.get(location) ?? sizeOfData(file, tensor, location, roots);
    sizes.set(location, size);
    const end = offset + (length ?? 0);
    if (end > size) {
      const pointer = size < 1024 && isLfsPointer(readRegularSync(file, 1024, { roots }));
      throw new FastvError(
        'external-data',
        `"${tensor}" ends at byte ${end} of ${location}, which has ${size}`,
        { where: file, hint: pointer ? LFS_HINT : 'Download the weights again.' },
      );
    }
  }
}

function sizeOfData(file: string, tensor: string, location: string, roots: readonly string[]): number {
  try {
    const { fd, size } = openRegular(file, { roots, code: 'external-data' });
    closeSync(fd);
    return size;
  } catch (cause) {
    if (!(cause instanceof FastvError)) throw cause;
    const absent = fileCode(cause.cause) === 'ENOENT';
    const why = absent ? 'which is absent' : `which is no file of the model's: ${cause.message}`;
    throw new FastvError('external-data', `the weights of "${tensor}" lie in ${location}, ${why}`, {
      where: file,
      hint: absent
        ? 'Check the name; weight files must lie beside the model.'
        : (cause.hint ?? 'Check its permissions.'),
      cause,
    });
  }
}
