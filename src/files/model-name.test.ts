import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lfsPointerIn, modelNameOrFolder } from './model-name.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-name-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('modelNameOrFolder', () => {
  it('takes a folder of that name for a folder, however it is written', async () => {
    await mkdir(join(folder, 'owner', 'name'), { recursive: true });
    const path = join(folder, 'owner', 'name');
    expect(modelNameOrFolder(path)).toBe(path);
    expect(modelNameOrFolder(relative(process.cwd(), path))).toBe(path);
  });

  it('leaves a name of the hub alone', async () => {
    await writeFile(join(folder, 'file'), '');
    for (const name of ['owner/name', 'gpt2', join(folder, 'file')])
      expect(modelNameOrFolder(name)).toBe(name);
  });
});

describe('lfsPointerIn', () => {
  it('finds the pointer that stands in the place of a file', async () => {
    expect(await lfsPointerIn('owner/name')).toBeUndefined();
    await mkdir(join(folder, 'onnx'));
    await writeFile(join(folder, 'config.json'), '{}');
    await writeFile(join(folder, 'onnx', 'empty.onnx'), '');
    expect(await lfsPointerIn(folder)).toBeUndefined();
    const path = join(folder, 'onnx', 'vision_encoder.onnx');
    await writeFile(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n');
    expect(await lfsPointerIn(folder)).toBe(path);
  });
});
