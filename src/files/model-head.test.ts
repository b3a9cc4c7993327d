import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { readModelFile } from './model-file.js';
import { checkModelFolder } from './model-check.js';
import { checkModelHead } from './model-head.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-model-head-'));
afterAll(() => {
  rmSync(root, { recursive: true });
});

const GB = 2 ** 30;
/** A file with a hole from the end of these bytes on. */
function sparse(head: readonly number[], size: number): string {
  const path = join(root, 'sparse.onnx');
  writeFileSync(path, Uint8Array.from(head));
  truncateSync(path, size);
  return path;
}
const length = (bytes: number): number[] => {
  const out: number[] = [];
  for (let rest = bytes; ; rest = Math.floor(rest / 128)) {
    out.push((rest % 128) + (rest >= 128 ? 128 : 0));
    if (rest < 128) return out;
  }
};

it('refuses gigabytes that are no model before it reads them', async () => {
  const before = process.memoryUsage.rss();
  for (const [head, reason] of [
    [[], /none of its fields/u],
    [[8, 8, 0x1f], /none of its fields/u],
    [[8, 8, 58, ...length(2 * GB)], /in the middle/u],
    [[8, 8, 50, ...length(GB - 8)], /are no graph/u],
  ] as const) {
    const path = sparse(head, GB);
    expect(() => {
      checkModelHead(path);
    }).toThrow(reason);
    await expect(readModelFile(path)).rejects.toMatchObject({ code: 'malformed-model', where: path });
    expect(() => {
      checkModelFolder(root);
    }).toThrow(reason);
  }
  expect(process.memoryUsage.rss() - before).toBeLessThan(GB / 4);
});

it('takes a large model, and what is small whatever it is', () => {
  const { bytes } = toyDecoder(toyFamily('gqa').config);
  const path = join(root, 'sparse.onnx');
  // a model whose graph has one more field: a tensor with a hole in it
  const hole = 2 ** 27;
  writeFileSync(path, bytes);
  const more = [10, ...length(hole)];
  const file = openSync(path, 'a');
  writeSync(file, Uint8Array.from([58, ...length(more.length + hole), ...more]));
  closeSync(file);
  truncateSync(path, bytes.length + 1 + length(more.length + hole).length + more.length + hole);
  checkModelHead(path);
  checkModelHead(sparse([], 1000));
});
