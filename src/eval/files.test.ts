import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eachLine, openLines } from './files.js';

const folder = mkdtempSync(join(tmpdir(), 'fastv-files-'));

describe('openLines', () => {
  it('gives back what was appended, and one process only may append', async () => {
    const path = join(folder, 'a.jsonl');
    const file = await openLines(path);
    expect(file.before).toEqual([]);
    await file.append([{ a: 1 }, { a: 'ü\n' }]);
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"a":"ü\\n"}\n');
    await expect(openLines(path)).rejects.toThrow(/already open/);
    await file.close();
    const again = await openLines(path);
    expect(again.before).toEqual([{ a: 1 }, { a: 'ü\n' }]);
    await again.close();
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it('cuts a torn last line off, wherever it was torn', async () => {
    const whole = '{"a":1}\n{"b":"ü"}\n';
    const bytes = Buffer.from(whole);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const path = join(folder, `torn${cut}.jsonl`);
      writeFileSync(path, bytes.subarray(0, cut));
      const file = await openLines(path);
      await file.append([{ c: 3 }]);
      await file.close();
      const kept = cut === bytes.length ? whole : cut >= 8 ? '{"a":1}\n' : '';
      expect(readFileSync(path, 'utf8')).toBe(`${kept}{"c":3}\n`);
    }
  });

  it('refuses a broken line in the midst, naming it, and lets go of the lock', async () => {
    const path = join(folder, 'broken.jsonl');
    writeFileSync(path, '{"a":1}\n{"a":\n{"a":3}\n');
    await expect(openLines(path)).rejects.toMatchObject({ code: 'invalid-input', where: `${path}, line 2` });
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it('writes into no file that a link leads to', async () => {
    const path = join(folder, 'linked.jsonl');
    for (const target of ['victim.txt', 'nowhere.txt']) {
      writeFileSync(join(folder, 'victim.txt'), '');
      symlinkSync(join(folder, target), path);
      await expect(openLines(path)).rejects.toMatchObject({ code: 'invalid-input', where: path });
      rmSync(path);
    }
    expect(readFileSync(join(folder, 'victim.txt'), 'utf8')).toBe('');
    expect(existsSync(join(folder, 'nowhere.txt'))).toBe(false);
  });

  it('takes over the lock of a dead process, not of a living one', async () => {
    const path = join(folder, 'lock.jsonl');
    writeFileSync(`${path}.lock`, '999999999');
    await (await openLines(path)).close();
    writeFileSync(`${path}.lock`, '');
    await (await openLines(path)).close();
    writeFileSync(`${path}.lock`, String(process.ppid));
    await expect(openLines(path)).rejects.toThrow(/is writing these results/);
  });
});

describe('eachLine', () => {
  it('reads lines that lie across the pieces in which a file is read', async () => {
    const path = join(folder, 'long.jsonl');
    const values = Array.from({ length: 300 }, (_, i) => ({ i, text: 'ü'.repeat(997 + (i % 7)) }));
    const text = values.map((v) => `${JSON.stringify(v)}\n`).join('');
    writeFileSync(path, `${text}{"torn`);
    const read: unknown[] = [];
    expect(await eachLine(path, ({ value }) => read.push(value))).toBe(Buffer.byteLength(text));
    expect(read).toEqual(values);
  });
});
