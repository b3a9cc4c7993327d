import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, watch, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../../test/cli.js';
import { buildCli, startCli, type Ended, type Running } from '../../../test/cli-process.js';
import { sceneUrl } from '../../../test/server/scene-turn.js';
import { EMBEDDED_MODEL } from '../../runtime/embedded.js';

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

function ask(url: string, text: string): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: text });
}

/** Waits until so many requests are being answered. */
async function inside(url: string, count: number): Promise<void> {
  const line = new RegExp(`^fastv_sequences_running\\{[^}]*\\} ${count}$`, 'mu');
  await expect.poll(async () => (await fetch(`${url}/metrics`)).text(), { timeout: 20_000 }).toMatch(line);
}

describe('fastv serve', () => {
  it('answers curl, and ends when it is told to', async () => {
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
    child.kill('SIGTERM');
    const { code, err }: Ended = await ended;
    expect(code).toBe(143);
    const lines = err.split('\n').filter((line) => line.startsWith('{'));
    expect(lines).toHaveLength(3);
    expect(err).not.toContain('a secret');
    expect(err).not.toContain(folder);
  });

  it('when it is told to end, answers what runs, refuses what is new, and is gone', async () => {
    const { url, child, ended } = await start('--grace 100');
    const running = ask(url, await body({ max_tokens: 1500, logit_bias: { 2: -100 } }));
    await inside(url, 1);
    child.kill('SIGTERM');
    const health = async (): Promise<number> => (await fetch(`${url}/health`)).status;
    await expect.poll(health, { timeout: 20_000 }).toBe(503);
    const late = await ask(url, await body());
    expect(late.status).toBe(503);
    expect(await late.json()).toMatchObject({ error: { code: 'shutting_down' } });
    const answered = await running;
    expect(answered.status).toBe(200);
    expect(await answered.json()).toMatchObject({ usage: { completion_tokens: 1500 } });
    expect((await ended).code).toBe(143);
  });

  it('ends at once what would outlive the grace period', async () => {
    const { url, child, ended } = await start('--grace 0');
    const endless = { max_tokens: 1500, logit_bias: { 2: -100 } };
    const [whole, stream] = [
      ask(url, await body(endless)),
      ask(url, await body({ ...endless, stream: true })),
    ];
    await inside(url, 2);
    child.kill('SIGTERM');
    expect((await whole).status).toBe(503);
    expect(await (await stream).text()).toMatch(/data: \{"error":.*shutting_down.*data: \[DONE\]/su);
    expect((await ended).code).toBe(143);
  });

  it('starts again after kill -9, whenever that was, and believes no half-written file of its cache', async () => {
    const model = join(folder, 'model');
    // without what other runs may have kept beside it
    await cp(EMBEDDED_MODEL, model, { recursive: true, filter: (path) => !path.includes('.fastv-') });
    const env = { FASTV_CACHE: join(folder, 'cache') };
    const whole = await start(`--model ${model}`, env);
    const said = async (url: string): Promise<unknown> =>
      ((await (await ask(url, await body({ model: 'model' }))).json()) as { choices: unknown }).choices;
    const answer = await said(whole.url);
    whole.child.kill('SIGKILL');
    await whole.ended;
    const kept = (await readdir(model, { recursive: true })).filter((name) => name.includes('.fastv-'));
    expect(kept).toEqual([expect.stringMatching(/\.fastv-[0-9a-f]{16}\.onnx$/u)]);
    const [graph = ''] = kept.map((name) => join(model, name));
    const bytes = await readFile(graph);
    // while it is written, and with a part of it under its name, as a disk may have it that lost its power
    await rm(graph);
    const interrupted = startCli(
      program.program,
      `exec "${process.execPath}" "${program.program}" serve --port 0 --json --model ${model}`,
      env,
    );
    for await (const { filename } of watch(join(graph, '..')))
      if (filename?.includes('fastv-') === true) break;
    interrupted.child.kill('SIGKILL');
    await interrupted.ended;
    await writeFile(graph, bytes.subarray(0, bytes.length / 2));
    const again = await start(`--model ${model}`, env);
    expect(await said(again.url)).toEqual(answer);
    expect(await readFile(graph)).toEqual(bytes);
    again.child.kill('SIGTERM');
    await again.ended;
  });

  it('says what it would serve: the command line before the environment before the file', async () => {
    const config = join(folder, 'serve.json');
    await writeFile(
      config,
      JSON.stringify({
        port: 1,
        'max-queue': 3,
        'max-images': 5,
        ratio: '75%',
        'allow-network': true,
        'api-key': 'x',
      }),
    );
    process.env['FASTV_MAX_QUEUE'] = '4';
    process.env['FASTV_PORT'] = '3';
    const args = ['serve', '--print-config', '--json', '--config', config, '--port', '2'];
    const { code, out } = await runCli(...args).finally(() => {
      delete process.env['FASTV_MAX_QUEUE'];
      delete process.env['FASTV_PORT'];
    });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      port: 2,
      'max-queue': 4,
      'max-images': 5,
      ratio: 0.75,
      'allow-network': true,
      'api-key': '(set)',
      host: '127.0.0.1',
      'max-seconds': 300,
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
