// What a user means by the name of a model: a folder, where there is one of that name, and only else a name on the hub.
// Transformers.js takes every `a/b` for a name on the hub, so that a stranger who registers the name of a user's folder
// would have his model run in its place.
import { closeSync, readSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isLfsPointer } from '../lfs-pointer.js';
import { checkModelFolder } from './model-check.js';
import { openRegular } from './read.js';

/**
 * The absolute path of the folder of this name; the name itself if there is none.
 * @throws {FastvError} `io` or `invalid-input` for a folder that no model should be loaded from
 */
export function modelNameOrFolder(name: string): string {
  if (!isFolder(name)) return name;
  checkModelFolder(name);
  return resolve(name);
}

function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false; // what cannot be the name of a folder is none
  }
}

/**
 * Checks the folder that a library's name of a model stands for, where it stands for one.
 * @param localModels where Transformers.js looks for models (`env.localModelPath`)
 * @throws {FastvError} as {@link modelNameOrFolder}
 */
export function checkLocalModel(name: string, localModels?: string): void {
  modelNameOrFolder(name);
  if (localModels !== undefined) modelNameOrFolder(join(localModels, name));
}

/**
 * A file in a model's folder that is a pointer of Git LFS: why a model that was cloned cannot be loaded.
 * @returns its path; undefined if there is none, or no such folder
 */
export async function lfsPointerIn(folder: string): Promise<string | undefined> {
  for (const place of [folder, join(folder, 'onnx')]) {
    for (const name of await readdir(place).catch(() => [])) {
      if (isPointer(join(place, name))) return join(place, name);
    }
  }
  return undefined;
}

function isPointer(path: string): boolean {
  try {
    const { fd } = openRegular(path);
    const head = new Uint8Array(64);
    try {
      readSync(fd, head, 0, head.length, 0);
    } finally {
      closeSync(fd);
    }
    return isLfsPointer(head);
  } catch {
    return false; // a folder, or nothing that can be read: no pointer
  }
}
