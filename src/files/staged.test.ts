import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { staged } from './staged.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-staged-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('staged', () => {
  it('moves what was made to its place, over what was there, once it is through', async () => {
    const output = join(folder, 'a.onnx');
    await writeFile(output, 'old');
    const result = await staged(output, async (place) => {
      await writeFile(join(place, 'a.onnx'), 'new');
      await writeFile(join(place, 'a.onnx_data'), 'weights');
      expect(await readFile(output, 'utf8')).toBe('old');
      return 7;
    });
    expect(result).toBe(7);
    expect((await readdir(folder)).sort()).toEqual(['a.onnx', 'a.onnx_data']);
    expect(await readFile(output, 'utf8')).toBe('new');
  });

  it('leaves nothing if it fails', async () => {
    const failing = staged(join(folder, 'a.onnx'), async (place) => {
      await writeFile(join(place, 'a.onnx'), 'new');
      throw new Error('not good enough');
    });
    await expect(failing).rejects.toThrow('not good enough');
    expect(await readdir(folder)).toEqual([]);
  });
});
