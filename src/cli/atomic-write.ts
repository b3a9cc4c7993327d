/** Writing a result so that a full disk or Ctrl-C leaves the old file or the new one, never half of one. */
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { FastvError } from '../errors.js';

/**
 * Writes a file by way of a temporary one beside it. What is there and is no file (a pipe, a device) is written to, not
 * replaced.
 * @throws {FastvError} `io`
 */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  const replace = there === undefined || there.isFile();
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    if (replace) {
      await writeFile(temporary, content, { flag: 'wx' });
      await rename(temporary, path);
    } else await writeFile(path, content);
  } catch (cause) {
    if (replace) await rm(temporary, { force: true }).catch(() => undefined);
    const reason = (cause instanceof Error ? cause.message : String(cause)).split(',')[0] ?? '';
    throw new FastvError('io', `the file cannot be written: ${reason}`, { where: path, cause });
  }
}
