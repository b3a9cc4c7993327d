// A build that is killed: nothing that looks like a model is left, and the next one begins anew.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build as bundle } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../src/build/build.js';
import { FIXTURES } from './vlm-golden.js';

const LLAVA = join(FIXTURES, 'llava');
const folder = mkdtempSync(join(tmpdir(), 'fastv-killed-'));
const program = join(process.cwd(), 'node_modules', '.cache', `fastv-build-killed-${process.pid}.mjs`);

/** Builds, and kills itself when so many weights are written. */
const PROGRAM = `
import { build } from './src/build/build.ts';
const [, , checkpoint, output, at] = process.argv;
await build(checkpoint, output, {
  onProgress: (done, total) => {
    if (done === Math.floor(Number(at) * total)) process.kill(process.pid, 'SIGKILL');
  },
});`;

beforeAll(async () => {
  await bundle({
    stdin: { contents: PROGRAM, resolveDir: process.cwd() },
    outfile: program,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
});
afterAll(() => {
  rmSync(program, { force: true });
  rmSync(folder, { recursive: true });
});

describe('a build that is killed', () => {
  it.each([0, 0.5, 1])('with %d of its weights written is no model, and is begun anew', async (at) => {
    const output = join(folder, 'model');
    const { signal } = spawnSync(process.execPath, [program, LLAVA, output, String(at)]);
    expect(signal).toBe('SIGKILL');
    expect(existsSync(output)).toBe(false);
    const [stage = '', ...others] = readdirSync(folder);
    expect(others).toEqual([]);
    expect(readdirSync(join(folder, stage))).not.toContain('config.json');
    const { bytes } = await build(LLAVA, output);
    expect(readdirSync(folder)).toEqual(['model']);
    const files = readdirSync(output, { recursive: true, withFileTypes: true });
    expect(files.filter(({ name }) => name.startsWith('.'))).toEqual([]);
    expect(bytes).toBeGreaterThan(500_000);
    rmSync(output, { recursive: true });
  });
});
