import { execFileSync } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FastvError } from '../errors.js';
import { openRegular, readRegular, readRegularSync, readText, streamRegular } from './read.js';

let folder = '';
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'fastv-read-')));
});
afterEach(() => rm(folder, { recursive: true }));

const refusal = (message: RegExp, code = 'io'): unknown =>
  expect.objectContaining({ name: 'FastvError', code, message: expect.stringMatching(message) as string });

/** Both ways to read. */
const ways = [
  ['readRegular', readRegular],
  [
    'readRegularSync',
    async (...args: Parameters<typeof readRegular>) => Promise.resolve(readRegularSync(...args)),
  ],
] as const;

describe.each(ways)('%s', (_, readFile) => {
  it('reads a file, an empty one too', async () => {
    const path = join(folder, 'a');
    await writeFile(path, 'text');
    expect(new TextDecoder().decode(await readFile(path, 4))).toBe('text');
    await writeFile(path, '');
    expect(await readFile(path, 4)).toHaveLength(0);
  });

  it('refuses what is too large, with the caller’s own words if it has some', async () => {
    const path = join(folder, 'a');
    await writeFile(path, 'text');
    await expect(readFile(path, 3)).rejects.toEqual(refusal(/has 4 bytes or more; at most 3/));
    const tooLarge = (size: number): FastvError => new FastvError('invalid-input', `${size} is too much`);
    await expect(readFile(path, 3, { tooLarge })).rejects.toEqual(
      refusal(/^4 is too much$/, 'invalid-input'),
    );
  });

  it.skipIf(!existsSync('/proc/self/maps'))('reads what hides its size, to the limit', async () => {
    expect((await readFile('/proc/self/maps', 1e7)).length).toBeGreaterThan(1000);
    await expect(readFile('/proc/self/maps', 1000)).rejects.toEqual(refusal(/at most 1000/));
  });

  it('refuses a folder and what is absent', async () => {
    await expect(readFile(folder, 9)).rejects.toEqual(refusal(/is no file but a folder/));
    const absent = readFile(join(folder, 'a'), 9, { code: 'external-data' });
    await expect(absent).rejects.toEqual(refusal(/no such file/, 'external-data'));
  });

  it.skipIf(process.platform === 'win32')('waits for nobody at a pipe’s other end', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    await expect(readFile(path, 9)).rejects.toEqual(refusal(/is no file but a pipe/));
  });

  it.skipIf(!existsSync('/dev/zero'))('reads no device', async () => {
    await symlink('/dev/zero', join(folder, 'zero.png'));
    await expect(readFile(join(folder, 'zero.png'), 1e9)).rejects.toEqual(
      refusal(/is no file but a pipe, .*device/),
    );
  });
});

describe('openRegular', () => {
  it('follows links within the given folders only', async () => {
    for (const name of ['model', 'blobs', 'home']) await mkdir(join(folder, name));
    await writeFile(join(folder, 'home', 'secret'), 'secret');
    await writeFile(join(folder, 'blobs', 'b'), 'weights');
    await symlink('../home/secret', join(folder, 'model', 'out'));
    await symlink('../blobs/b', join(folder, 'model', 'in'));
    await symlink('../home', join(folder, 'model', 'folder'));
    const roots = [join(folder, 'model'), join(folder, 'blobs')];
    const opened = openRegular(join(folder, 'model', 'in'), { roots });
    closeSync(opened.fd);
    expect([opened.realPath, opened.size]).toEqual([join(folder, 'blobs', 'b'), 7]);
    for (const name of ['out', 'folder/secret', '../home/secret']) {
      expect(() => openRegular(join(folder, 'model', name), { roots })).toThrow(/a link that leads outside/);
    }
    // a folder whose name merely begins like a root's is another folder
    await mkdir(join(folder, 'model-2'));
    await writeFile(join(folder, 'model-2', 'a'), '');
    expect(() => openRegular(join(folder, 'model-2', 'a'), { roots })).toThrow(/outside/);
  });

  it('refuses every link if told to', async () => {
    await writeFile(join(folder, 'a'), '');
    await symlink('a', join(folder, 'link'));
    expect(() => openRegular(join(folder, 'link'), { followLink: false })).toThrow(/ELOOP/);
    closeSync(openRegular(join(folder, 'a'), { followLink: false }).fd);
  });
});

it('a stream and a text are read the same way', async () => {
  const path = join(folder, 'a');
  await writeFile(path, 'grün');
  expect(await readText(path, 9)).toBe('grün');
  const chunks: Buffer[] = [];
  for await (const chunk of streamRegular(path)) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toBe('grün');
  expect(() => streamRegular(folder)).toThrow(/a folder/);
});
