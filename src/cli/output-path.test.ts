import { chmod, link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOutputFile, prepareOutputFolder } from './output-path.js';

let folder = '';
let input = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-output-'));
  input = join(folder, 'in.png');
  await writeFile(input, 'picture');
  await mkdir(join(folder, 'sub'));
});
afterEach(() => rm(folder, { recursive: true }));

const check = (path: string): Promise<void> =>
  checkOutputFile(path, { option: '--overlay', inputs: ['no file', input, '-'] });

describe('an output file', () => {
  it('may be new, or another file', async () => {
    await writeFile(join(folder, 'old.png'), '');
    await expect(check(join(folder, 'old.png'))).resolves.toBeUndefined();
    await expect(check(join(folder, 'sub', 'new.png'))).resolves.toBeUndefined();
  });

  it('is no input, under whatever name', async () => {
    await symlink(input, join(folder, 'link.png'));
    await link(input, join(folder, 'hard.png'));
    await symlink(folder, join(folder, 'again'));
    for (const name of ['in.png', 'sub/../in.png', 'link.png', 'hard.png', 'again/in.png']) {
      await expect(check(join(folder, name)), name).rejects.toMatchObject({
        code: 'invalid-option',
        message: '--overlay would overwrite what is read',
      });
    }
    expect(await readFile(input, 'utf8')).toBe('picture');
  });

  it('lies in a folder that is there, and is none itself', async () => {
    await expect(check(join(folder, 'no', 'a.png'))).rejects.toMatchObject({
      code: 'io',
      where: join(folder, 'no', 'a.png'),
      hint: expect.stringContaining(join(folder, 'no')) as unknown,
    });
    await expect(check(join(folder, 'sub'))).rejects.toMatchObject({ code: 'io' });
    await expect(check('')).rejects.toMatchObject({ code: 'invalid-option', where: '--overlay' });
    await expect(check('-')).rejects.toMatchObject({ code: 'invalid-option', where: '--overlay' });
  });
});

describe('a place', () => {
  it('that takes no files is refused, whoever asks', async () => {
    if (process.platform !== 'linux') return;
    // root may write there, as far as permissions go
    await expect(check('/proc/x.png')).rejects.toMatchObject({ code: 'io', where: '/proc/x.png' });
  });

  it('is left as it was', async () => {
    const before = await readdir(folder);
    await check(join(folder, 'new.png'));
    await prepareOutputFolder(folder);
    expect(await readdir(folder)).toEqual(before);
  });
});

describe('an output folder', () => {
  it('is made, with those above it', async () => {
    await prepareOutputFolder(join(folder, 'a', 'b'));
    await prepareOutputFolder(join(folder, 'a', 'b'));
  });

  it('is no file, and not where nothing can be made', async () => {
    await expect(prepareOutputFolder(input)).rejects.toMatchObject({ code: 'io', where: input });
    await expect(prepareOutputFolder('/proc/fastv')).rejects.toMatchObject({ code: 'io' });
    await expect(prepareOutputFolder('')).rejects.toMatchObject({ code: 'invalid-option' });
    await chmod(join(folder, 'sub'), 0o500);
    // the super-user may write anywhere
    if (process.getuid?.() !== 0) {
      await expect(prepareOutputFolder(join(folder, 'sub'))).rejects.toMatchObject({ code: 'io' });
    }
  });
});
