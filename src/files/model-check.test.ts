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

  it.skipIf(process.platform === 'win32').each([
    ['outside', '../secret.jinja', 'io'],
    ['into a cache', '../blobs/b', 'fine'],
  ])('links %s: %s', (_, target, expected) => {
    const root = mkdtempSync(join(tmpdir(), 'fastv-roots-'));
    rmSync(folder, { recursive: true });
    folder = join(root, 'model');
    for (const name of ['model', 'blobs']) mkdirSync(join(root, name));
    writeFileSync(join(root, 'secret.jinja'), 'a secret');
    for (const name of ['a', 'b']) writeFileSync(join(root, 'blobs', name), '{}');
    symlinkSync('../blobs/a', join(folder, 'config.json'));
    symlinkSync(target, join(folder, 'chat_template.jinja'));
    expect(code()).toBe(expected);
    rmSync(root, { recursive: true });
  });

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
    ['config.json', { image_token_index: -1 }, 'invalid-input'],
    ['config.json', { image_token_index: 1.5 }, 'invalid-input'],
    ['config.json', { image_token_index: 1e12 }, 'invalid-input'],
    ['config.json', { image_token_id: '7' }, 'invalid-input'],
    ['config.json', { text_config: { num_hidden_layers: -1 } }, 'invalid-input'],
    ['config.json', { text_config: { num_attention_heads: true } }, 'invalid-input'],
    ['config.json', { pad_token_id: -1, eos_token_id: [1, 2], vision_feature_layer: -2 }, 'fine'],
    ['generation_config.json', { max_new_tokens: 'many' }, 'invalid-input'],
    ['preprocessor_config.json', { size: { height: '8', width: 8 } }, 'invalid-input'],
    ['preprocessor_config.json', { size: { height: 0, width: 8 } }, 'invalid-input'],
    [
      'video_preprocessor_config.json',
      { video_processor_type: 'Qwen3VLVideoProcessor', size: { longest_edge: 34_560 } },
      'fine',
    ],
    ['preprocessor_config.json', { max_pixels: 12_845_056, size: { height: 384, width: 384 } }, 'fine'],
  ])('%s with %j: %s', (name, content, expected) => {
    writeFileSync(join(folder, name), JSON.stringify(content));
    expect(code()).toBe(expected);
  });

  it('refuses lists of tokens without number', () => {
    const tokens = { eos_token_id: Array(2 ** 18).fill(1) };
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify(tokens));
    expect(code()).toBe('invalid-input');
  });

  it('refuses a tokenizer with more in it than any has', () => {
    const words = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [i, i]));
    const write = (tokenizer: object): void => {
      writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    };
    // as many as Gemma's, which are the most that there are
    write({ model: { vocab: words(262_144), merges: Array(515_000).fill(['a', 'b']) }, added_tokens: [] });
    checkModelFolder(folder);
    for (const [tokenizer, what] of [
      [{ model: { vocab: words(2 ** 19 + 1) } }, 'words'],
      [{ model: { merges: Array(2 ** 20 + 1).fill('a b') } }, 'pairs to join'],
      [
        { added_tokens: Array(2 ** 16).fill({ id: 1, a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 }) },
        'added tokens',
      ],
      [{ more: Array(2 ** 22 + 1).fill(0) }, 'values'],
    ] as const) {
      write(tokenizer);
      expect(() => {
        checkModelFolder(folder);
      }).toThrow(what);
    }
    rmSync(folder, { recursive: true });
  });

  it('refuses a number without an end, naming file and field', () => {
    writeFileSync(join(folder, 'preprocessor_config.json'), '{"rescale_factor": 1e999}');
    expect(() => {
      checkModelFolder(folder);
    }).toThrow(
      expect.objectContaining({
        message: 'rescale_factor is no finite number',
        where: join(folder, 'preprocessor_config.json'),
      }) as Error,
    );
  });

  it.each(['', '{', 'null', '[[]]', '['.repeat(1e5)])('leaves %.9s to whoever loads it', (text) => {
    writeFileSync(join(folder, 'config.json'), text);
    expect(code()).toBe('fine');
  });
});
