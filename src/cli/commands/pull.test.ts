// Against a mirror on this machine that speaks the hub's URLs.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCli, type CliResult } from '../../../test/cli.js';
import { hubMirror, type Mirror } from '../../../test/hub-mirror.js';
import { httpProxy } from '../../../test/proxy.js';
import { EMBEDDED_MODEL } from '../../runtime/embedded.js';

const MODEL = 'somebody/scenes';
const DECODER = 'onnx/decoder_model_merged_quantized.onnx';

let mirror: Mirror;
let home = '';
beforeAll(async () => {
  mirror = await hubMirror(MODEL, EMBEDDED_MODEL);
});
afterAll(() => mirror.close());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'fastv-pull-'));
  mirror.fault = undefined;
  mirror.requests.length = 0;
  vi.stubEnv('HF_ENDPOINT', `${mirror.endpoint}/`);
  vi.stubEnv('HF_HOME', home);
  vi.stubEnv('HF_TOKEN', '');
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'HF_HUB_OFFLINE'])
    vi.stubEnv(name, '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

const pull = (...argv: string[]): Promise<CliResult> => runCli('pull', MODEL, '--dtype', 'q8', ...argv);
const kept = (path: string): string => join(home, 'transformers.js', ...MODEL.split('/'), path);
const digest = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

describe('fastv pull', () => {
  it('fetches every part in one dtype, and the second time nothing', async () => {
    const { code, out } = await pull('--json');
    expect(code).toBe(0);
    const { files, bytes, fetchedBytes } = JSON.parse(out) as {
      files: { path: string }[];
      bytes: number;
      fetchedBytes: number;
    };
    expect(fetchedBytes).toBe(bytes);
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['config.json', 'tokenizer.json', DECODER]));
    expect(paths).not.toContain('onnx/decoder_model_merged.onnx');
    expect(paths).not.toContain('README.md');
    expect(await digest(kept(DECODER))).toBe(await digest(join(EMBEDDED_MODEL, DECODER)));
    mirror.requests.length = 0;
    expect(JSON.parse((await pull('--json')).out)).toMatchObject({ fetchedBytes: 0 });
    expect(mirror.requests).toHaveLength(1);
  });

  it('goes on where a cut connection left it', async () => {
    const { size } = await stat(join(EMBEDDED_MODEL, DECODER));
    const begun = Math.floor(size / 3);
    let cuts = 0;
    mirror.fault = ({ url, headers }, response) => {
      if (url?.endsWith(DECODER) !== true || headers.range !== undefined) return false;
      cuts++;
      void readFile(join(EMBEDDED_MODEL, DECODER)).then((content) => {
        response.writeHead(200, { 'content-length': size });
        response.write(content.subarray(0, begun), () => setTimeout(() => response.destroy(), 50));
      });
      return true;
    };
    expect((await pull()).code).toBe(0);
    expect(cuts).toBe(1);
    const ranges = mirror.requests.filter(({ path, range }) => path.endsWith(DECODER) && range !== undefined);
    // what the connection still held when it was cut may be lost
    expect(ranges).toHaveLength(1);
    const from = Number(/^bytes=(\d+)-$/u.exec(ranges[0]?.range ?? '')?.[1]);
    expect(from).toBeGreaterThan(0);
    expect(from).toBeLessThanOrEqual(begun);
    expect(await digest(kept(DECODER))).toBe(await digest(join(EMBEDDED_MODEL, DECODER)));
    expect(existsSync(kept(`${DECODER}.part`))).toBe(false);
  });

  it('fetches again what is damaged, and takes nothing whose checksum differs', async () => {
    expect((await pull()).code).toBe(0);
    const before = await readFile(kept('config.json'));
    await writeFile(
      kept('config.json'),
      before.map((byte) => byte ^ 1),
    );
    await truncate(kept(DECODER), 1000);
    expect((await pull()).code).toBe(0);
    expect(await readFile(kept('config.json'))).toEqual(before);
    expect(await digest(kept(DECODER))).toBe(await digest(join(EMBEDDED_MODEL, DECODER)));

    await rm(kept('config.json'));
    mirror.fault = ({ url }, response) => {
      if (url?.endsWith('config.json') !== true || url.includes('generation')) return false;
      response.end(Buffer.from(before.map((byte) => byte ^ 1)));
      return true;
    };
    const { code, err } = await pull();
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining('checksum differs') as unknown,
    });
    expect((await readdir(kept('.'))).filter((name) => name.startsWith('config'))).toEqual([]);
  });

  it('sends the token to the hub', async () => {
    vi.stubEnv('HF_TOKEN', '');
    await writeFile(join(home, 'token'), 'hf_secret\n');
    expect((await pull()).code).toBe(0);
    expect(new Set(mirror.requests.map(({ authorization }) => authorization))).toEqual(
      new Set(['Bearer hf_secret']),
    );
  });

  it.each([
    [401, {}, /no such model, or it is private or gated/u, /set HF_TOKEN/u],
    [
      403,
      { 'x-error-code': 'GatedRepo' },
      /gated: its terms must be accepted/u,
      /Accept them at .*somebody\/scenes/u,
    ],
    [404, {}, /no such model/u, /check the name/u],
    [429, { 'retry-after': '7' }, /so many requests/u, /Wait 7 s/u],
    [503, {}, /the hub is failing \(503\)/u, /Try again later/u],
  ] as [number, Record<string, string>, RegExp, RegExp][])(
    'says what %i means, in one line',
    async (status, headers, message, hint) => {
      mirror.fault = (_, response) => {
        response.writeHead(status, headers).end();
        return true;
      };
      const { code, out, err } = await pull();
      expect({ code, out }).toEqual({ code: 1, out: '' });
      const lines = err.trimEnd().split('\n');
      expect(lines).toHaveLength(3);
      expect(lines[0]).toMatch(message);
      expect(lines[2]).toMatch(hint);
    },
  );

  it.each<[string, Record<string, string>, string, RegExp]>([
    ['goes on at another server', { link: '<http://127.0.0.1:1/next>; rel="next"' }, '[]', /another server/u],
    ['has no end', { link: `<?cursor=next>; rel="next"` }, '[]', /the list of files does not end/u],
    ['is very long', {}, ' '.repeat(2 ** 25 + 1), /sends more than \d+ bytes/u],
    ['has files of no size', {}, '[{"type":"file","path":"config.json","oid":"0","size":-1}]', /no decoder/u],
  ])('refuses a list that %s', async (_, headers, body, message) => {
    mirror.fault = ({ url }, response) => {
      if (url?.includes('/tree/') !== true) return false;
      response.writeHead(200, headers).end(body);
      return true;
    };
    const { code, err } = await pull();
    expect({ code, err }).toMatchObject({ code: 1, err: expect.stringMatching(message) as unknown });
  });

  it.skipIf(process.platform === 'win32')('writes through no link that stands in its way', async () => {
    const victim = join(home, 'victim.txt');
    await writeFile(victim, 'a file of somebody');
    await mkdir(kept('.'), { recursive: true });
    await symlink(victim, kept('config.json.part'));
    const { code, err } = await pull();
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining('this is no file') as unknown,
    });
    expect(await readFile(victim, 'utf8')).toBe('a file of somebody');
  });

  it('says so where nobody answers, and where a name is none', async () => {
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    const { code, err } = await pull();
    expect(code).toBe(1);
    expect(err).toMatch(/^error: (?:nobody listens at|127\.0\.0\.1:9 cannot be reached)/u);
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:1'); // a port that fetch refuses
    expect((await pull()).err).toMatch(/cannot be reached \(bad port\)/u);
    for (const name of ['../../etc/passwd', 'a/b/c', 'a b', '']) {
      expect((await runCli('pull', name)).code, name).toBe(2);
    }
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect((await pull()).err).toMatch(/HF_HUB_OFFLINE/u);
  });

  it.each([
    ['HF_ENDPOINT', 'nonsense'],
    ['HF_ENDPOINT', 'ftp://hub.example'],
    ['HTTP_PROXY', 'http://[nonsense'],
    ['HTTPS_PROXY', 'socks5://127.0.0.1:1080'],
  ])('refuses %s=%s by its name, once something is fetched', async (name, value) => {
    vi.stubEnv(name, value);
    const { code, err } = await pull();
    expect(code).toBe(2);
    expect(err).toMatch(new RegExp(`^error: this is no address: .*\n {2}where: ${name}\n`, 'u'));
    // without the network it says nothing
    const { code: local } = await runCli('models');
    expect(local).toBe(0);
  });

  it('lists the dtypes that there are, and refuses what has no decoder', async () => {
    const { code, err } = await runCli('pull', MODEL, '--dtype', 'q4');
    expect(code).toBe(2);
    expect(err).toMatch(/in q4\n.*\n {2}hint: it has all parts in fp32, q8/u);
    mirror.fault = (_, response) => {
      response.end('[]');
      return true;
    };
    expect((await pull()).err).toMatch(/no decoder that Transformers.js could load/u);
  });

  it('takes no path out of the folder, whatever the hub lists', async () => {
    mirror.fault = ({ url }, response) => {
      if (url?.startsWith('/api/') !== true) return false;
      const file = (path: string): object => ({ type: 'file', path, size: 1, oid: '0'.repeat(40) });
      response.end(
        JSON.stringify(['../evil.json', '/evil.json', 'a/../evil.json', '..\\evil.json'].map(file)),
      );
      return true;
    };
    expect((await pull()).code).toBe(1);
    expect(await readdir(home)).toEqual([]);
  });

  it.runIf(existsSync('/dev/full'))('a folder that cannot be made is one line', async () => {
    vi.stubEnv('HF_HOME', '/proc/nowhere');
    const { code, err } = await pull();
    expect(code).toBe(1);
    expect(err).toMatch(/^error: cannot be made: .*\n {2}where: /mu);
  });

  it.runIf(existsSync('/dev/full'))('a disk that is full is one line, and takes nothing in', async () => {
    await mkdir(kept('.'), { recursive: true });
    await symlink('/dev/full', kept('config.json.part'));
    const { code, out, err } = await pull();
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^error: .*disk is full.*\n {2}where: .*config\.json\.part\n {2}hint: .*$/mu);
    expect(existsSync(kept('config.json'))).toBe(false);
  });

  it('goes through the proxy that the environment names, and around it where NO_PROXY says so', async () => {
    const proxy = await httpProxy();
    try {
      vi.stubEnv('HTTP_PROXY', proxy.url);
      vi.stubEnv('NO_PROXY', '127.0.0.1');
      expect((await pull()).code).toBe(0);
      expect(proxy.hosts).toEqual([]);
      vi.stubEnv('NO_PROXY', '');
      await rm(kept('config.json'));
      expect((await pull()).code).toBe(0);
      expect(new Set(proxy.hosts)).toEqual(new Set([new URL(mirror.endpoint).host]));
      // a host alone is a proxy, too
      vi.stubEnv('HTTP_PROXY', new URL(proxy.url).host);
      await rm(kept('config.json'));
      expect((await pull()).code).toBe(0);
      vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9');
      expect((await pull()).err).toMatch(/, or at its proxy/u);
      expect((await pull()).err).toMatch(/^error: .*\n {2}where: .*\n {2}hint: .*HTTPS_PROXY/u);
    } finally {
      await proxy.close();
    }
  });

  it('what it has fetched is what a model of that name is loaded from', { timeout: 120_000 }, async () => {
    const image = join(home, 'a.png');
    const create = { width: 96, height: 96, channels: 3, background: '#336699' } as const;
    await sharp({ create }).png().toFile(image);
    expect((await pull()).code).toBe(0);
    mirror.requests.length = 0;
    const argv = ['--model', MODEL, '--dtype', 'q8', '--json', image, 'How many objects are there?'];
    const { code, out } = await runCli('run', ...argv);
    expect(code, out).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ model: MODEL, fastv: { rows: [{ imageTokens: 144 }] } });
    expect(mirror.requests).toEqual([]);
  });

  it('HF_ENDPOINT is where a model is fetched from, and its refusals are explained', async () => {
    mirror.fault = (_, response) => {
      response.writeHead(403, { 'x-error-code': 'GatedRepo' }).end();
      return true;
    };
    const { code, err } = await runCli('run', '--model', MODEL, '--allow-network', 'a.png', 'What?');
    expect(code).toBe(1);
    expect(err).toMatch(/^error: the model is gated: .*\n {2}where: somebody\/scenes\n/u);
    expect(mirror.requests.length).toBeGreaterThan(0);
  });
});

it('fastv models asks the hub for bytes only if it may', async () => {
  expect((await runCli('models', MODEL)).code).toBe(2);
  const { out } = await runCli('models', MODEL, '--allow-network', '--json');
  const { bytes, gated } = JSON.parse(out) as { bytes: Record<string, number>; gated: boolean | null };
  expect(gated).toBe(true);
  expect(Object.keys(bytes)).toEqual(expect.arrayContaining(['fp32', 'q8']));
});
