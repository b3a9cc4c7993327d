import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkReplaceable, pendingFile, writeAtomically } from './atomic.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-write-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('replaces a file, leaves nothing else behind, and says where it could not', async () => {
  const file = join(folder, 'a.txt');
  await writeFile(file, 'old');
  await writeAtomically(file, 'new');
  expect(await readFile(file, 'utf8')).toBe('new');
  expect(await readdir(folder)).toEqual(['a.txt']);
  const absent = join(folder, 'no', 'a.txt');
  await expect(writeAtomically(absent, 'x')).rejects.toMatchObject({ code: 'io', where: absent });
  await expect(writeAtomically(folder, 'x')).rejects.toMatchObject({ code: 'io', where: folder });
});

it.skipIf(!existsSync('/dev/full'))('writes to a device and does not replace it', async () => {
  await expect(writeAtomically('/dev/full', 'x')).rejects.toMatchObject({ code: 'io', where: '/dev/full' });
  expect((await stat('/dev/full')).isCharacterDevice()).toBe(true);
});

describe('a stream is never replaced by a file', () => {
  it.skipIf(!existsSync('/proc/self/fd'))('whatever a link to it leads to', async () => {
    const link = join(folder, 'stdout');
    await symlink('/proc/self/fd/1', link);
    const refused = { code: 'io', where: link, hint: 'Give the name of a file.' };
    expect(() => pendingFile(link)).toThrow(expect.objectContaining(refused) as Error);
    expect(() => {
      checkReplaceable(link);
    }).toThrow(expect.objectContaining(refused) as Error);
    expect(await readdir(folder)).toEqual(['stdout']);
  });

  it.skipIf(!existsSync('/dev/null'))('and neither is a device', async () => {
    expect(() => pendingFile('/dev/null')).toThrow(/no file but a stream or a device/u);
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
  });
});

describe('writeAtomically', () => {
  it.skipIf(process.platform === 'win32')(
    'replaces a pipe that was put in the place of its own file',
    async () => {
      const path = join(folder, 'pipe');
      execFileSync('mkfifo', [path]);
      await writeAtomically(path, 'x', { own: true });
      expect(await readFile(path, 'utf8')).toBe('x');
    },
  );

  it('takes the parts of a stream in order', async () => {
    const file = join(folder, 'parts');
    await writeAtomically(file, ['a', new Uint8Array([98, 99]), 'd']);
    expect(await readFile(file, 'utf8')).toBe('abcd');
    await writeAtomically(
      file,
      (async function* () {
        for (const part of ['1', '2']) yield await Promise.resolve(part);
      })(),
    );
    expect(await readFile(file, 'utf8')).toBe('12');
  });

  it('leaves the old file where the content breaks off, and where it is given up', async () => {
    const file = join(folder, 'a.txt');
    await writeFile(file, 'old');
    const broken = (function* () {
      yield 'half';
      throw new Error('the source broke off');
    })();
    await expect(writeAtomically(file, broken)).rejects.toMatchObject({
      code: 'io',
      where: file,
      message: 'cannot be written: the source broke off',
    });
    const stop = new AbortController();
    const endless = (function* () {
      for (let i = 0; ; i++) {
        if (i === 3) stop.abort(new Error('enough'));
        yield 'x';
      }
    })();
    await expect(writeAtomically(file, endless, { signal: stop.signal })).rejects.toThrow('enough');
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['a.txt']);
  });

  it('replaces a link and leaves what it leads to', async () => {
    const [victim, link] = [join(folder, 'victim'), join(folder, 'link')];
    await writeFile(victim, 'precious');
    await symlink(victim, link);
    await writeAtomically(link, 'new');
    expect(await readFile(victim, 'utf8')).toBe('precious');
    expect(await readFile(link, 'utf8')).toBe('new');
  });

  it('keeps the permissions of the file that it replaces', async () => {
    const file = join(folder, 'private');
    await writeFile(file, 'old');
    await chmod(file, 0o600);
    await writeAtomically(file, 'new');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('takes a name as long as the file system allows', async () => {
    const file = join(folder, 'n'.repeat(255));
    await writeAtomically(file, 'x');
    expect(await readFile(file, 'utf8')).toBe('x');
  });

  it.each([
    ['a folder', '', /this is a folder/, /name of a file/],
    ['a folder that is not there', 'no/a', /no such file or folder/, /Check the name/],
    ['a path through a file', 'file/a', /a file, not a folder/, /another place/],
    ['a name that is too long', 'n'.repeat(300), /name is too long/, /shorter name/],
    ['links in a circle', 'circle/a', /links lead in a circle/, /another place/],
  ])('says what is wrong with %s', async (_, name, message, hint) => {
    await writeFile(join(folder, 'file'), '');
    await symlink(join(folder, 'circle'), join(folder, 'circle'));
    const path = join(folder, name);
    await expect(writeAtomically(path, 'x')).rejects.toMatchObject({
      ...{ name: 'FastvError', code: 'io', where: path },
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    });
    expect(() => {
      pendingFile(path).keep();
    }).toThrow(message);
    expect((await readdir(folder)).sort()).toEqual(['circle', 'file']);
  });

  it.skipIf(!existsSync('/dev/full'))('says what to do where the disk is full', async () => {
    await expect(writeAtomically('/dev/full', 'x')).rejects.toMatchObject({
      message: 'cannot be written: the disk is full (ENOSPC)',
      hint: 'Free some space, or choose another place.',
    });
  });
});

describe('pendingFile', () => {
  it('has its name once it is kept, and nothing of it stays if it is not', async () => {
    const path = join(folder, 'a');
    const file = pendingFile(path);
    file.write(new Uint8Array([1, 2]));
    file.write(new Uint8Array([3]));
    expect([file.size, existsSync(path), existsSync(file.temporary)]).toEqual([3, false, true]);
    file.keep();
    file.discard();
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    const other = pendingFile(path);
    other.write(new Uint8Array([9]));
    other.discard();
    expect([...(await readFile(path))]).toEqual([1, 2, 3]);
    expect(await readdir(folder)).toEqual(['a']);
    await mkdir(join(folder, 'b'));
    expect(() => pendingFile(join(folder, 'b'))).toThrow(/this is a folder/);
  });
});

describe('a process that ends while it writes', () => {
  const script = (how: string): string => `
    import { writeFileSync } from 'node:fs';
    import { removeAtExit } from ${JSON.stringify(new URL('./leftovers.ts', import.meta.url).href)};
    const path = process.argv[1];
    writeFileSync(path, 'half');
    removeAtExit(path);
    setInterval(() => undefined, 1000);
    ${how}
  `;
  const run = promisify(execFile);
  it.each([
    ['process.exit(3)', { code: 3 }],
    ["process.kill(process.pid, 'SIGINT')", { signal: 'SIGINT' }],
    ["process.kill(process.pid, 'SIGTERM')", { signal: 'SIGTERM' }],
    ["process.on('SIGINT', () => process.exit(130)); process.kill(process.pid, 'SIGINT')", { code: 130 }],
    ["throw new Error('uncaught')", { code: 1 }],
  ])('by %s leaves nothing', async (how, end) => {
    const source = await bundled(script(how));
    const path = join(folder, 'half');
    await expect(run(process.execPath, ['--input-type=module', '-e', source, path])).rejects.toMatchObject(
      end,
    );
    expect(existsSync(path)).toBe(false);
  });
});

/** A script with the sources that it imports, as plain JavaScript: a process of its own reads no TypeScript. */
async function bundled(source: string): Promise<string> {
  const { build } = await import('esbuild');
  const stdin = { contents: source, resolveDir: import.meta.dirname };
  const result = await build({
    stdin: { ...stdin, loader: 'ts' },
    ...{ bundle: true, write: false, platform: 'node', format: 'esm' },
    plugins: [
      {
        name: 'file-urls',
        setup(builder) {
          builder.onResolve({ filter: /^file:/ }, ({ path }) => ({ path: new URL(path).pathname }));
        },
      },
    ],
  });
  return result.outputFiles[0]?.text ?? '';
}
