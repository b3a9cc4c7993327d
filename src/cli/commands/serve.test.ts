import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../../test/cli.js';
import { buildCli, startCli, type Ended, type Running } from '../../../test/cli-process.js';
import { sceneUrl } from '../../../test/server/scene-turn.js';

let program: Awaited<ReturnType<typeof buildCli>>;
let folder = '';
beforeAll(async () => {
  program = await buildCli();
  folder = await mkdtemp(join(tmpdir(), 'fastv-serve-cli-'));
});
afterAll(async () => {
  program.remove();
  await rm(folder, { recursive: true });
});

/** Starts the server, and waits until it says where it is. */
async function start(
  flags: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Running & { url: string }> {
  const running = startCli(
    program.program,
    `exec "${process.execPath}" "${program.program}" serve --port 0 --json ${flags}`,
    env,
  );
  const url = await new Promise<string>((resolve, reject) => {
    let out = '';
    running.child.stdout?.on('data', (data: Buffer) => {
      out += data.toString();
      const [, found] = /"url":"([^"]+)"/u.exec(out) ?? [];
      if (found !== undefined) resolve(found);
    });
    void running.ended.then(({ err }) => {
      reject(new Error(err));
    });
  });
  return { ...running, url };
}

async function body(more: object = {}): Promise<string> {
  const image = { type: 'image_url', image_url: { url: await sceneUrl('caption', 3) } };
  const content = [image, { type: 'text', text: 'Describe the image.' }];
  return JSON.stringify({ model: 'scenes-llava', messages: [{ role: 'user', content }], ...more });
}

describe('fastv serve', () => {
  it('answers curl, and ends what runs when it is told to end', async () => {
    const { url, child, ended } = await start('--ratio 75%', { FASTV_API_KEY: 'a secret' });
    const file = join(folder, 'body.json');
    await writeFile(file, await body());
    const curl = (...args: readonly string[]): string =>
      spawnSync('curl', ['-sS', '-H', 'authorization: Bearer a secret', ...args], { encoding: 'utf8' })
        .stdout;
    const post = ['-H', 'content-type: application/json', '-d', `@${file}`];
    const whole = JSON.parse(curl(...post, `${url}/v1/chat/completions`)) as Record<string, unknown>;
    expect(whole).toMatchObject({
      choices: [{ finish_reason: 'stop' }],
      usage: { fastv: { kept_image_tokens: 36 } },
    });
    expect(curl('-o', '/dev/null', '-w', '%{http_code}', `${url}/v1/models`)).toBe('200');
    await writeFile(file, await body({ stream: true }));
    expect(curl('-N', ...post, `${url}/v1/chat/completions`)).toMatch(/data: \{"id":.*data: \[DONE\]/su);
    const running = fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer a secret', 'content-type': 'application/json' },
      body: await body({ max_tokens: 100, logit_bias: { 2: -100 } }),
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill('SIGTERM');
    expect((await running).status).toBe(200);
    const { code, err }: Ended = await ended;
    expect(code).toBe(143);
    const lines = err.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.length).toBeGreaterThan(3);
    expect(err).not.toContain('a secret');
    expect(err).not.toContain(folder);
  });

  it('starts again after kill -9, with no half-written file in its cache', async () => {
    const env = { FASTV_CACHE: join(folder, 'cache') };
    const first = await start('', env);
    const running = fetch(`${first.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: await body(),
    }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    first.child.kill('SIGKILL');
    await first.ended;
    await running;
    const second = await start('', env);
    expect((await fetch(`${second.url}/health`)).status).toBe(200);
    second.child.kill('SIGTERM');
    await second.ended;
    const left = await readdir(folder, { recursive: true });
    expect(left.filter((name) => /\.tmp|partial/u.test(name))).toEqual([]);
  });

  it('says what it would serve: the command line before the environment before the file', async () => {
    const config = join(folder, 'serve.json');
    await writeFile(
      config,
      JSON.stringify({ port: 1, 'max-queue': 3, ratio: '75%', 'allow-network': true, 'api-key': 'x' }),
    );
    const { code, out } = await runCli(
      'serve',
      '--print-config',
      '--json',
      '--config',
      config,
      '--port',
      '2',
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      port: 2,
      'max-queue': 3,
      ratio: 0.75,
      'allow-network': true,
      'api-key': '(set)',
      host: '127.0.0.1',
      'max-images': 16,
    });
  });

  it.each([
    ['{', /no JSON/u],
    ['[]', /no object/u],
    ['{"prot": 1}', /unknown key "prot"/u],
    ['{"port": "many"}', /--port/u],
    ['{"allow-network": "yes"}', /"allow-network" cannot be/u],
    ['{"port": null}', /"port" cannot be null/u],
  ])('refuses the configuration %s', async (text, message) => {
    const config = join(folder, 'wrong.json');
    await writeFile(config, text);
    const { code, err } = await runCli('serve', '--print-config', '--config', config);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});
