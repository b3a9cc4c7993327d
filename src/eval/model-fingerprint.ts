/**
 * What a model's folder holds, briefly: answers of one model must not be taken for those of another that has come to lie
 * in its place. Weights are gigabytes, so blocks spread over each file are read, not all of it.
 */
import { createHash, type Hash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

const BLOCK = 64 * 2 ** 10;
const BLOCKS = 16;
/** Models, their weights, configurations and templates; rewrites that are kept beside them are not part of the model. */
const PARTS = /\.(?:onnx|onnx_data(?:_\d+)?|json|jinja|model|txt)$/u;
const REWRITTEN = '.fastv-';

/**
 * A hash of the files of a model, by names, sizes and samples of their contents.
 * @param folder the model's; its subfolders are looked at too
 * @returns undefined where there is no such folder: a model of the hub, which is known by its name
 */
export async function modelFingerprint(folder: string): Promise<string | undefined> {
  const files = await partsOf(folder);
  if (files.length === 0) return undefined;
  const hash = createHash('sha256');
  for (const file of files.sort()) await addFileSamples(hash, join(folder, file), file);
  return hash.digest('hex').slice(0, 16);
}

async function partsOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below = entries.filter((entry) => entry.isDirectory());
  const files = entries.map((entry) => entry.name);
  for (const { name } of below) {
    files.push(...(await readdir(join(folder, name)).catch(() => [])).map((file) => `${name}/${file}`));
  }
  return files.filter((file) => PARTS.test(file) && !file.includes(REWRITTEN));
}

/** Adds a file to a hash: its name, its size, and blocks spread over it. */
export async function addFileSamples(hash: Hash, path: string, name: string): Promise<void> {
  const { size } = await stat(path);
  hash.update(`${name} ${size}\n`);
  const handle = await open(path);
  try {
    const block = Buffer.alloc(BLOCK);
    const blocks = Math.min(BLOCKS, Math.ceil(size / BLOCK));
    for (let i = 0; i < blocks; i++) {
      // from the very beginning to the very end
      const at = blocks === 1 ? 0 : Math.round((i / (blocks - 1)) * Math.max(0, size - BLOCK));
      const { bytesRead } = await handle.read(block, 0, BLOCK, at);
      hash.update(block.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
