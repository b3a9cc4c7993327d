import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { installedVersion } from './installed.js';

it.each(['@huggingface/transformers', 'onnxruntime-node', 'sharp'])(
  'finds the version of %s',
  async (name) => {
    const text = await readFile(`node_modules/${name}/package.json`, 'utf8');
    expect(installedVersion(name)).toBe((JSON.parse(text) as { version: string }).version);
  },
);

it('does not know what is not there', () => {
  expect(installedVersion('no-such-package')).toBe('unknown');
  expect(installedVersion('../../etc')).toBe('unknown');
});
