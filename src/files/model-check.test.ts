import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkModelFolder } from './model-check.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-model-'));
  mkdirSync(join(folder, 'onnx'));
});

const code = (): string => {
  try {
    checkModelFolder(folder);
    return 'fine';
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

describe('checkModelFolder', () => {
  it.skipIf(process.platform === 'win32').each(['config.json', 'tokenizer.json', 'onnx/model.onnx'])(
    'refuses a pipe as %s',
    (name) => {
      execFileSync('mkfifo', [join(folder, name)]);
      expect(code()).toBe('io');
    },
  );

  it.skipIf(!existsSync('/dev/zero'))('refuses a device behind a link', () => {
    symlinkSync('/dev/zero', join(folder, 'preprocessor_config.json'));
    expect(code()).toBe('io');
  });

  it.each([
    ['config.json', { text_config: { num_hidden_layers: 1e9 } }, 'invalid-input'],
    ['config.json', { text_config: { num_hidden_layers: 126, hidden_size: 16384 } }, 'fine'],
    ['preprocessor_config.json', { size: { height: 60_000, width: 60_000 } }, 'invalid-input'],
    ['preprocessor_config.json', { crop_size: 60_000 }, 'invalid-input'],
    ['preprocessor_config.json', { size: { shortest_edge: 1e6 } }, 'invalid-input'],
    [
      'preprocessor_config.json',
      {
        image_processor_type: 'Qwen2VLImageProcessorFast',
        size: { shortest_edge: 65_536, longest_edge: 2 ** 24 },
      },
      'fine',
    ],
    ['preprocessor_config.json', { max_pixels: 12_845_056, size: { height: 384, width: 384 } }, 'fine'],
  ])('%s with %j: %s', (name, content, expected) => {
    writeFileSync(join(folder, name), JSON.stringify(content));
    expect(code()).toBe(expected);
  });

  it.each(['', '{', 'null', '[[]]', '['.repeat(1e5)])('leaves %.9s to whoever loads it', (text) => {
    writeFileSync(join(folder, 'config.json'), text);
    expect(code()).toBe('fine');
  });
});
