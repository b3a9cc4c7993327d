import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder } from './make-folder.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-folder-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('makeFolder', () => {
  it('makes a folder and those above it, and says which', async () => {
    const path = join(folder, 'a', 'b');
    expect(await makeFolder(path)).toEqual([join(folder, 'a'), path]);
    expect((await stat(path)).isDirectory()).toBe(true);
    expect(await makeFolder(path)).toEqual([]);
  });

  it('is made once by many at the same time', async () => {
    const path = join(folder, 'a', 'b', 'c');
    const made = await Promise.all(Array.from({ length: 8 }, () => makeFolder(path)));
    expect(made.flat().sort()).toEqual([join(folder, 'a'), join(folder, 'a', 'b'), path]);
  });

  it('names a file that stands in the way', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    await expect(makeFolder(file)).rejects.toMatchObject({ code: 'io', where: file });
    await expect(makeFolder(join(file, 'a'))).rejects.toMatchObject({ code: 'io', message: /not a folder/ });
    const long = join(folder, 'n'.repeat(300));
    await expect(makeFolder(long)).rejects.toMatchObject({ code: 'io', where: long });
  });

  it('leaves nothing of a path that can be made in part only', async () => {
    await expect(makeFolder(join(folder, 'a', 'b', 'n'.repeat(300)))).rejects.toMatchObject({ code: 'io' });
    expect(await readdir(folder)).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0)('says that permission is missing', async () => {
    await chmod(folder, 0o500);
    await expect(makeFolder(join(folder, 'a'))).rejects.toMatchObject({ message: /permission denied/ });
    await chmod(folder, 0o700);
  });

  it.skipIf(!existsSync('/proc/self'))(
    'ends where the file system denies a folder that is there',
    async () => {
      await expect(makeFolder('/proc/x')).rejects.toMatchObject({ code: 'io', where: '/proc/x' });
      await expect(makeFolder('/proc/x/y')).rejects.toMatchObject({ code: 'io', where: '/proc/x' });
    },
    5000,
  );
});
