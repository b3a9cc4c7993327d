// The files of a checkpoint, wherever they are.
import { closeSync, read, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FastvError } from '../../errors.js';
import { fileError } from '../../files/file-error.js';
import { modelRoots } from '../../files/model-roots.js';
import { openRegular, readText } from '../../files/read.js';
import { broken, type RandomAccess } from './stored-tensor.js';

/** Files by their names, without folders. */
export interface CheckpointFiles {
  /** For error messages: the folder, or the name on the hub. */
  readonly where: string;
  readonly names: readonly string[];
  /** A small file's text. @throws {FastvError} `io` */
  text(name: string): Promise<string>;
  /** A file of weights. @throws {FastvError} `io` */
  open(name: string): Promise<RandomAccess>;
}

/** The longest configuration, index, tokenizer that is read. */
export const MAX_TEXT = 64 * 2 ** 20;

/**
 * The files of a folder. Links may lead out of it as the Hugging Face hub's cache has them: into the one folder of blobs
 * that its configuration lies in.
 * @param config the file that makes it a checkpoint, or an adapter
 * @throws {FastvError} `io` if it cannot be read
 */
export function folderFiles(folder: string, config = 'config.json'): CheckpointFiles {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (cause) {
    throw fileError('read', folder, cause);
  }
  if (!names.includes(config)) {
    throw new FastvError('io', `the folder has no ${config}`, {
      where: folder,
      hint: `Give the folder that ${config} and the weights lie in.`,
    });
  }
  const roots = modelRoots(join(folder, config));
  return {
    where: folder,
    names,
    text: (name) => readText(join(folder, name), MAX_TEXT, { roots }),
    open: (name) => Promise.resolve(fileAccess(join(folder, name), roots)),
  };
}

const readAsync = promisify(read);

function fileAccess(path: string, roots: readonly string[]): RandomAccess {
  const { fd, size } = openRegular(path, { roots });
  return {
    where: path,
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const count = Math.min(length - done, 2 ** 30);
        const { bytesRead } = await readAsync(fd, bytes, done, count, offset + done).catch(
          (cause: unknown) => {
            throw fileError('read', path, cause);
          },
        );
        if (bytesRead === 0) throw broken(path, `the file ended at byte ${offset + done}`);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => {
      closeSync(fd);
    },
  };
}
