// Model files on disk: the graph in one file, its weights there or in files beside it.
import { copyFile, link, lstat, readFile, realpath, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { writeAtomically, writeError } from './atomic.js';
import { makeFolder } from './make-folder.js';
import {
  decodeModel,
  encodeModel,
  externalFiles,
  externalTensors,
  MAX_MODEL_BYTES,
  type OnnxModel,
} from '../onnx/index.js';

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
 *   absent, too short, or named outside the model's folder
 */
export async function readModelFile(
  path: string,
  options: { readonly checkData?: boolean } = {},
): Promise<ModelFile> {
  const info = await statOrThrow(path, 'io', `there is no file ${path}`);
  if (!info.isFile()) {
    throw new FastvError('io', `${path} is no file`, { where: path, hint: 'Give the .onnx file itself.' });
  }
  if (info.size > MAX_MODEL_BYTES) {
    throw new FastvError(
      'malformed-model',
      `the file has ${info.size} bytes; an ONNX file has at most 2 GB`,
      {
        where: path,
      },
    );
  }
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new FastvError('io', `${path} cannot be read`, {
      where: path,
      hint: 'Check its permissions.',
      cause,
    });
  });
  const model = decodeModel(bytes, path);
  if (options.checkData ?? true) await checkExternalData(model, path);
  return { path, model, bytes, dataFiles: externalFiles(model) };
}

/**
 * Writes a rewritten model. Its external data is referenced where the folder is the same, else hard-linked into the
 * new folder, or copied with `copyData`. Nothing is left behind if it fails: the file appears whole, under its name, at
 * the end.
 * @throws {FastvError} `invalid-option` if it would overwrite its own source; `io` if the disk refuses
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
    if (from !== to) {
      for (const file of source.dataFiles) {
        await bring(join(from, file), join(to, file), options.copyData ?? false, undo);
      }
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
async function bring(from: string, to: string, copy: boolean, undo: Undo[]): Promise<void> {
  if (await sameFile(from, to)) return;
  const details = { where: to, hint: 'Choose an empty folder for the output.' };
  if ((await lstat(to).catch(() => undefined)) !== undefined) {
    throw new FastvError('io', `${to} exists and is another file`, details);
  }
  await makeFolderFor(dirname(to), undo);
  undo.push(() => rm(to, { force: true }));
  if (copy) {
    await copyFile(from, to);
    return;
  }
  try {
    // The file itself: a hub's cache holds symbolic links, which lead nowhere from another folder.
    await link(await realpath(from), to);
  } catch (cause) {
    throw new FastvError('io', `the weights in ${from} cannot be linked into ${dirname(to)}`, {
      where: to,
      hint: 'Write beside the original model, or copy the weights with --copy-data.',
      cause,
    });
  }
}

async function sameFile(a: string, b: string): Promise<boolean> {
  const [one, two] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  return one !== undefined && one.ino === two?.ino && one.dev === two.dev;
}

async function checkExternalData(model: OnnxModel, path: string): Promise<void> {
  const sizes = new Map<string, number>();
  for (const { tensor, location, offset, length } of externalTensors(model)) {
    const file = join(dirname(path), location);
    let size = sizes.get(file);
    if (size === undefined) {
      const info = await statOrThrow(
        file,
        'external-data',
        `the weights of "${tensor}" lie in ${location}, which is absent`,
      );
      if (!info.isFile()) {
        throw new FastvError(
          'external-data',
          `the weights of "${tensor}" lie in ${location}, which is no file`,
          {
            where: file,
          },
        );
      }
      size = info.size;
      sizes.set(file, size);
    }
    const end = offset + (length ?? 0);
    if (end > size) {
      throw new FastvError(
        'external-data',
        `"${tensor}" ends at byte ${end} of ${location}, which has ${size}`,
        {
          where: file,
          hint: 'Download the weights again.',
        },
      );
    }
  }
}

async function statOrThrow(
  path: string,
  code: 'io' | 'external-data',
  message: string,
): Promise<Awaited<ReturnType<typeof stat>> & { size: number }> {
  try {
    return await stat(path);
  } catch (cause) {
    const absent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new FastvError(code, absent ? message : `${path} cannot be read`, {
      where: path,
      hint: absent ? 'Check the name; weight files must lie beside the model.' : 'Check its permissions.',
      cause,
    });
  }
}
