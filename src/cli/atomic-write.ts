/** Writing a result so that a full disk or Ctrl-C leaves the old file or the new one, never half of one. */
import { rename, rm, writeFile } from 'node:fs/promises';

/** Writes a file by way of a temporary one beside it. */
export async function writeAtomically(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    await writeFile(temporary, content, { flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
