import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { strategyFile } from './strategy-file.js';

describe('a strategy from a file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastv-strategy-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const written = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };

  it('is its default export, known by the digest of the file', async () => {
    const text =
      "export default { where: 'graph', name: 'own', needsLayer: true, score: (c) => c.lastRowAttention() };";
    const { strategy, digest } = await strategyFile(await written('own.mjs', text));
    expect(strategy).toMatchObject({ name: 'own', where: 'graph' });
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    ['none.mjs', 'export const x = 1;'],
    ['number.mjs', 'export default 3;'],
    ['broken.mjs', 'export default {'],
    ['throws.mjs', "throw new Error('no');"],
    ['nothing.mjs', "export default { where: 'graph', name: 'own' };"],
    ['taken.mjs', "export default { where: 'graph', name: 'attention', score: () => '' };"],
    ['path.mjs', "export default { where: 'graph', name: '../x', score: () => '' };"],
  ])('is refused in %s', async (name, text) => {
    await expect(strategyFile(await written(name, text))).rejects.toMatchObject({ code: 'invalid-option' });
  });

  it('is refused where there is no file', async () => {
    await expect(strategyFile(join(folder, 'absent.mjs'))).rejects.toMatchObject({ code: 'io' });
  });
});
