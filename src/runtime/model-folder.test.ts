import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultDtype, modelFolderOf } from './model-folder.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-model-folder-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('modelFolderOf', () => {
  it('finds config.json one folder up, and the dtype in the name', async () => {
    await writeFile(join(folder, 'config.json'), '{}');
    await mkdir(join(folder, 'onnx'));
    const at = (name: string) => modelFolderOf(join(folder, 'onnx', name));
    expect(at('decoder_model_merged.onnx')).toEqual({ folder, subfolder: 'onnx', dtype: 'fp32' });
    expect(at('decoder_model_merged_quantized.onnx')?.dtype).toBe('q8');
    expect(at('decoder_model_merged_q4f16.onnx')?.dtype).toBe('q4f16');
    expect(at('decoder_model_merged_mine.onnx')?.dtype).toBeUndefined();
    expect(at('model.onnx')?.dtype).toBeUndefined();
  });

  it('finds config.json beside it, whether the other files are there or in onnx', async () => {
    await writeFile(join(folder, 'config.json'), '{}');
    const file = join(folder, 'decoder_model_merged.onnx');
    expect(modelFolderOf(file)).toEqual({ folder, subfolder: '', dtype: 'fp32' });
    await mkdir(join(folder, 'onnx'));
    expect(modelFolderOf(file)).toEqual({ folder, subfolder: 'onnx', dtype: 'fp32' });
  });

  it('does not look further up', async () => {
    await writeFile(join(folder, 'config.json'), '{}');
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    expect(modelFolderOf(join(folder, 'a', 'b', 'decoder_model_merged.onnx'))).toBeUndefined();
  });
});

describe('defaultDtype', () => {
  it('is what config.json says of the parts, else fp32', async () => {
    const config = (content: string) => writeFile(join(folder, 'config.json'), content);
    expect(defaultDtype(undefined)).toBe('fp32');
    expect(defaultDtype(join(folder, 'absent'))).toBe('fp32');
    await config('{}');
    expect(defaultDtype(folder)).toBe('fp32');
    await config('{ "transformers.js_config": { "dtype": { "decoder_model_merged": "q8" } } }');
    expect(defaultDtype(folder)).toBe('auto');
    await config('no JSON');
    expect(defaultDtype(folder)).toBe('fp32');
  });
});
