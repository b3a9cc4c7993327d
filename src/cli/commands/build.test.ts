// From folders, and from a mirror on this machine that speaks the hub's URLs.
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli, type CliResult } from '../../../test/cli.js';
import { hubMirror, type Mirror } from '../../../test/hub-mirror.js';
import { FIXTURES } from '../../../test/vlm-golden.js';

const MODEL = 'somebody/llava';
const LLAVA = join(FIXTURES, 'llava');
let mirror: Mirror;
let home = '';
beforeAll(async () => {
  mirror = await hubMirror(MODEL, LLAVA);
});
afterAll(() => mirror.close());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'fastv-build-'));
  mirror.fault = undefined;
  mirror.requests.length = 0;
  vi.stubEnv('HF_ENDPOINT', mirror.endpoint);
  vi.stubEnv('HF_HOME', home);
  vi.stubEnv('HF_TOKEN', '');
  for (const name of [
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'http_proxy',
    'https_proxy',
    'HF_HUB_OFFLINE',
    'HF_HUB_CACHE',
  ])
    vi.stubEnv(name, '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

const output = (): string => join(home, 'model');
const build = (from: string, ...argv: string[]): Promise<CliResult> =>
  runCli('build', from, '-o', output(), ...argv);

describe('fastv build', () => {
  it('builds, checks, and inspect lists the parts', async () => {
    const { code, out } = await build(LLAVA, '--dtype', 'decoder_model_merged=q8', '--check', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out) as { family: string; check: { errors: { relativeError: number }[] } };
    expect(report.family).toBe('llava');
    expect(report.check.errors).toHaveLength(22);
    expect(report.check.errors[0]?.relativeError).toBeLessThan(0.02);
    const inspected = await runCli('inspect', output(), '--json');
    const { parts, flopsSaved } = JSON.parse(inspected.out) as {
      parts: { part: string; dtype: string }[];
      flopsSaved: number;
    };
    expect(parts.map(({ part, dtype }) => [part, dtype])).toEqual([
      ['decoder_model_merged', 'q8'],
      ['embed_tokens', 'fp32'],
      ['vision_encoder', 'fp32'],
    ]);
    // one of three layers is pruned, and has half of 576 + 36 tokens at most
    expect(flopsSaved).toBeGreaterThan(0.1);
    expect(flopsSaved).toBeLessThan(0.5);
  });

  it('runs without being told the dtype', async () => {
    await build(LLAVA, '--dtype', 'q8');
    const ran = await runCli(
      'run',
      '--model',
      output(),
      '--max-new-tokens',
      '2',
      '--json',
      join(LLAVA, 'exact0.png'),
      'What is it?',
    );
    expect(ran.code).toBe(0);
  });

  it('reads the hub a range a tensor, and stores nothing but the result', async () => {
    const { code } = await build(MODEL, '--allow-network', '--quiet');
    expect(code).toBe(0);
    const ranges = mirror.requests.filter(({ path }) => path.endsWith('.safetensors'));
    expect(ranges.length).toBeGreaterThan(20);
    expect(ranges.every(({ range }) => range !== undefined)).toBe(true);
    await runCli('build', LLAVA, '-o', join(home, 'local'));
    const data = (model: string): Promise<Buffer> =>
      readFile(join(home, model, 'onnx/decoder_model_merged.onnx_data'));
    expect((await data('model')).equals(await data('local'))).toBe(true);
  });

  it('takes a cut connection up again', async () => {
    let cut = 0;
    mirror.fault = (request, response) => {
      if (!(request.url ?? '').endsWith('.safetensors') || cut++ % 5 !== 3) return false;
      response.writeHead(206, { 'content-length': 1000 });
      response.write('x');
      setTimeout(() => response.destroy(), 10);
      return true;
    };
    expect((await build(MODEL, '--allow-network', '--quiet')).code).toBe(0);
    expect(cut).toBeGreaterThan(5);
  });

  it('reads the cache of Hugging Face’s tools without the network', async () => {
    const repository = join(home, 'hub', 'models--somebody--llava');
    const commit = 'a'.repeat(40);
    const snapshot = join(repository, 'snapshots', commit);
    await mkdir(join(repository, 'blobs'), { recursive: true });
    await mkdir(join(repository, 'refs'));
    await mkdir(snapshot, { recursive: true });
    await writeFile(join(repository, 'refs', 'main'), commit);
    for (const name of (await readdir(LLAVA)).filter((one) => !one.startsWith('golden'))) {
      await cp(join(LLAVA, name), join(repository, 'blobs', name));
      await symlink(join('..', '..', 'blobs', name), join(snapshot, name));
    }
    expect((await build(MODEL, '--quiet')).code).toBe(0);
    expect(mirror.requests).toEqual([]);
  });

  it.each([
    ['the network, without leave', [MODEL], /--allow-network/],
    ['a dtype that cannot be built', [LLAVA, '--dtype', 'q2'], /is no dtype that can be built/],
    ['a part that there is not', [LLAVA, '--dtype', 'decoder=q8'], /is no dtype that can be built/],
    ['a folder without a checkpoint', [FIXTURES], /no config\.json/],
    ['an adapter that is absent', [LLAVA, '--adapter', join(LLAVA, 'none')], /no such file or folder/],
  ])('refuses %s', async (_, argv, message) => {
    const [from = '', ...flags] = argv;
    const { code, err } = await build(from, ...flags);
    expect(code).not.toBe(0);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/\n\s+at /);
    expect(existsSync(output())).toBe(false);
  });
});
