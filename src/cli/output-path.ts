/** Checks of output paths before the work: a refusal after a minute is one too late, and no input is written over. */
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { access, constants, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FastvError } from '../errors.js';
import { fileError } from '../files/file-error.js';
import { makeFolder } from '../files/make-folder.js';

/** How an output is checked. */
export interface OutputFile {
  /** The option that names it. */
  readonly option: string;
  /** What the command reads: files and folders, or words that are none. */
  readonly inputs?: readonly string[];
  /** Whether the command makes folders that are not there; default: it does not. */
  readonly makesFolder?: boolean;
}

/**
 * Checks that a file can be written, and that it is none of the inputs.
 * @throws {FastvError} `invalid-option` if it is an input or no path, `io` if its folder is not there or not writable
 */
export async function checkOutputFile(
  path: string,
  { option, inputs = [], makesFolder = false }: OutputFile,
): Promise<void> {
  if (path === '' || path === '-') {
    throw new FastvError('invalid-option', 'a file is needed', {
      where: option,
      ...(path === '-' ? { hint: 'Standard output is for what is said; ./- is a file of that name.' } : {}),
    });
  }
  const wanted = dirname(resolve(path));
  const folder = makesFolder ? await nearest(wanted) : wanted;
  try {
    await access(folder, constants.W_OK);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    if (code !== 'ENOENT') throw fileError('written', path, cause);
    throw new FastvError('io', 'cannot be written: the folder does not exist (ENOENT)', {
      where: path,
      hint: `Make ${folder}, or choose another place.`,
      cause,
    });
  }
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory() === true) {
    throw new FastvError('io', 'cannot be written: this is a folder', {
      where: path,
      hint: 'Give the name of a file.',
    });
  }
  if (there === undefined) probe(folder, path);
  const target = await real(path);
  for (const input of inputs) {
    const source = await stat(input).catch(() => undefined);
    if (source === undefined) continue;
    const same = source.ino === there?.ino && source.dev === there.dev;
    if (same || (await real(input)) === target) {
      throw new FastvError('invalid-option', `${option} would overwrite what is read`, {
        where: path,
        hint: 'Choose another file.',
      });
    }
  }
}

/**
 * Makes a folder for results.
 * @throws {FastvError} `io` if it cannot be made or written to
 */
export async function prepareOutputFolder(path: string, option = '--output'): Promise<void> {
  if (path === '') throw new FastvError('invalid-option', 'a folder is needed', { where: option });
  await makeFolder(path);
  probe(path, path);
}

/**
 * Makes a file there and removes it: permissions alone do not say that a file system takes files. At once, so that no signal ends
 * the process in between.
 */
function probe(folder: string, where: string): void {
  const file = join(folder, `.fastv-${process.pid}-${randomUUID()}`);
  try {
    writeFileSync(file, '', { flag: 'wx' });
    rmSync(file);
  } catch (cause) {
    throw fileError('written', where, cause);
  }
}

/** A folder, or the first one above it that is there. */
async function nearest(folder: string): Promise<string> {
  for (let at = folder; ; at = dirname(at)) {
    const there = await stat(at).catch(() => undefined);
    if (there !== undefined || at === dirname(at)) return at;
  }
}

/** The path without links, also of a file that is not there yet. */
async function real(path: string): Promise<string> {
  const absolute = resolve(path);
  return realpath(absolute).catch(async () =>
    join(await realpath(dirname(absolute)).catch(() => dirname(absolute)), basename(absolute)),
  );
}
