import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeAtomically } from './atomic-write.js';

it('replaces a file, leaves nothing else behind, and says where it could not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fastv-write-'));
  const file = join(folder, 'a.txt');
  await writeFile(file, 'old');
  await writeAtomically(file, 'new');
  expect(await readFile(file, 'utf8')).toBe('new');
  expect(await readdir(folder)).toEqual(['a.txt']);
  const absent = join(folder, 'no', 'a.txt');
  await expect(writeAtomically(absent, 'x')).rejects.toMatchObject({ code: 'io', where: absent });
  await expect(writeAtomically(folder, 'x')).rejects.toMatchObject({ code: 'io', where: folder });
  await rm(folder, { recursive: true });
});

it.skipIf(!existsSync('/dev/full'))('writes to a device and does not replace it', async () => {
  await expect(writeAtomically('/dev/full', 'x')).rejects.toMatchObject({ code: 'io', where: '/dev/full' });
  expect((await stat('/dev/full')).isCharacterDevice()).toBe(true);
});
