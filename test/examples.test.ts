// Every example, run as a reader would run it; `fastv` is the source as it is now.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { build, type Plugin } from 'esbuild';
import OpenAI from 'openai';
import { chromium, type Route } from 'playwright-core';
import sharp from 'sharp';
import { build as viteBuild } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMBEDDED_MODEL } from '../src/runtime/embedded.js';
import { CHROMIUM, staticHost } from './chromium.js';
import { scene } from './server/scene-turn.js';

const ROOT = process.cwd();
const CACHE = join(ROOT, 'node_modules', '.cache');
const QUESTION = 'How many objects are there?';

let folder: string;
let picture: string;

/** `fastv/x` by the package's own exports, as TypeScript rather than as it was last built. */
async function sources(browser: boolean): Promise<Map<string, string>> {
  interface Target {
    readonly default: string;
    readonly browser?: { readonly default: string };
  }
  const { exports } = JSON.parse(await readFile('package.json', 'utf8')) as {
    exports: Record<string, Target>;
  };
  return new Map(
    Object.entries(exports).map(([entry, target]) => {
      const file = browser ? (target.browser ?? target).default : target.default;
      return [`fastv${entry.slice(1)}`, join(ROOT, file.replace('./dist/', 'src/').replace(/\.js$/u, '.ts'))];
    }),
  );
}

async function bundled(example: string): Promise<string> {
  const entries = await sources(false);
  const own: Plugin = {
    name: 'fastv',
    setup: (bundle) => {
      // esbuild's expressions are Go's, which know no flag u
      bundle.onResolve({ filter: new RegExp('^fastv(/|$)') }, ({ path }) => ({
        path: entries.get(path) ?? `no-such/${path}`,
      }));
    },
  };
  // two levels below the root, as the sources are: the embedded model is found from there
  const outfile = join(CACHE, `example-${process.pid}-${example.replaceAll(/\W+/gu, '-')}.mjs`);
  await build({
    entryPoints: [join('examples', example)],
    outfile,
    bundle: true,
    packages: 'external',
    plugins: [own],
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  return outfile;
}

async function run(example: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [await bundled(example), ...args], {
    env: { ...process.env, FASTV_CACHE: join(folder, 'cache') },
  });
  const [out, err, code] = await Promise.all([
    readAll(child.stdout),
    readAll(child.stderr),
    new Promise((resolve) => child.once('exit', resolve)),
  ]);
  if (code !== 0) throw new Error(`${example} ended with ${String(code)}: ${err}`);
  return out;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-examples-'));
  const [image] = scene('count-all', 3).images;
  if (image === undefined) throw new Error('a scene has a picture');
  const { data, width, height } = image;
  picture = join(folder, 'picture.png');
  await sharp(Buffer.from(data), { raw: { width, height, channels: 3 } })
    .png()
    .toFile(picture);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  for (const name of readdirSync(CACHE))
    if (name.startsWith(`example-${process.pid}-`)) rmSync(join(CACHE, name), { force: true });
});

describe('examples', { timeout: 180_000 }, () => {
  it('are all listed, and tested here', async () => {
    const readme = await readFile('examples/README.md', 'utf8');
    const here = await readFile('test/examples.test.ts', 'utf8');
    for (const file of readdirSync('examples').filter((name) => name.endsWith('.mjs'))) {
      expect(readme).toContain(`(${file})`);
      expect(here).toContain(`'${file}'`);
    }
  });

  it('three lines', async () => {
    const out = await run('three-lines.mjs', picture, QUESTION);
    expect(out).toMatch(/^\S.*\n72 of 144 image tokens kept\n\d+ % of the FLOPs/u);
  });

  it('a batch', async () => {
    const out = await run('batch.mjs', picture, picture);
    const [first, second] = out.trim().split('\n');
    expect(first).toMatch(/picture\.png: \w+/u);
    expect(second).toBe(first);
  });

  it('frames of a video', async () => {
    const { images } = scene('video-moved', 1);
    const [{ width, height } = { width: 0, height: 0 }] = images;
    const film = join(folder, 'film.gif');
    await sharp(Buffer.concat(images.map(({ data }) => Buffer.from(data))), {
      raw: { width, height: height * images.length, channels: 3, pageHeight: height },
    })
      .gif()
      .toFile(film);
    const out = await run('video-frames.mjs', film, 'Which object moved?');
    expect(out).toContain(`${Math.min(4, images.length)} frames: `);
  });

  it('turns of a conversation', async () => {
    const out = await run('chat.mjs', picture, QUESTION, 'What color is the background?');
    expect(out.match(/^> /gmu)).toHaveLength(2);
    expect(out.match(/first token after \d+ ms/gu)).toHaveLength(2);
  });

  it('strategies of one’s own', async () => {
    const out = await run('custom-strategy.mjs', picture, QUESTION);
    expect(out).toMatch(/^attention: .+\ncentre: .+\ninattention: .+\n$/u);
  });

  it('ONNX Runtime alone', async () => {
    const out = await run('bare-onnxruntime.mjs', join(EMBEDDED_MODEL, 'onnx', 'decoder_model_merged.onnx'));
    expect(out).toContain('kept 68 of 100 tokens\nlayer 0 caches 100 tokens, layer 2 68\n');
  });

  it('the AI SDK', async () => {
    const out = await run('ai-sdk.mjs', picture, QUESTION);
    expect(out).toMatch(/^\S.*\n72 of 144 image tokens kept\n$/u);
  });

  it('Express, with OpenAI’s client', async () => {
    const child = spawn(process.execPath, [await bundled('express.mjs')], {
      env: { ...process.env, PORT: '0' },
    });
    try {
      let out = '';
      const baseURL = await new Promise<string>((resolve, reject) => {
        child.once('exit', () => {
          reject(new Error(`express.mjs ended: ${out}`));
        });
        child.stdout.on('data', (chunk: Buffer) => {
          out += String(chunk);
          const found = /http:\/\/\S+/u.exec(out);
          if (found !== null) resolve(found[0]);
        });
      });
      expect(await answerOf(new OpenAI({ baseURL, apiKey: 'none', maxRetries: 10 }))).toMatch(/\w/u);
      expect(await (await fetch(new URL('/', baseURL))).text()).toBe('an app of one’s own');
    } finally {
      child.removeAllListeners('exit');
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }
  });

  it('a route of Next.js', async () => {
    interface Handlers {
      POST(request: Request): Promise<Response>;
    }
    const route = (await import(await bundled('next/app/vision/[...path]/route.js'))) as Handlers;
    const client = new OpenAI({
      baseURL: 'http://app.test/vision/v1',
      apiKey: 'none',
      maxRetries: 10,
      fetch: (url, init) => route.POST(new Request(url, init)),
    });
    try {
      expect(await answerOf(client)).toMatch(/\w/u);
    } finally {
      const { fastvHandler } = globalThis as unknown as { fastvHandler: { close(): Promise<void> } };
      await fastvHandler.close();
    }
  });

  it.skipIf(CHROMIUM === undefined)('a page', { retry: 1 }, async () => {
    const entries = await sources(true);
    const warnings: string[] = [];
    const out = join(folder, 'page');
    await viteBuild({
      root: 'examples/vite',
      logLevel: 'silent',
      resolve: {
        alias: [...entries].map(([name, file]) => ({
          find: new RegExp(`^${name}$`, 'u'),
          replacement: file,
        })),
      },
      build: {
        outDir: out,
        // Transformers.js alone is larger than what Vite warns of
        chunkSizeWarningLimit: 2000,
        rolldownOptions: {
          onLog: (level, { code, message }) => {
            // how long plugins took says something of the machine
            if (level === 'warn' && code !== 'PLUGIN_TIMINGS') warnings.push(message);
          },
        },
      },
    });
    expect(warnings).toEqual([]);
    let host: { server: Server; address: string } | undefined;
    const browser = await chromium.launch({
      ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
      args: ['--no-sandbox', '--disable-features=WebGPU'],
    });
    try {
      host = await staticHost({ '/': out });
      const page = await browser.newPage();
      const serve = (file: string) => async (route: Route) => {
        const headers = { 'access-control-allow-origin': '*' };
        return existsSync(file)
          ? route.fulfill({ path: file, headers })
          : route.fulfill({ status: 404, headers });
      };
      const lastOf = (route: Route, pattern: RegExp): string =>
        pattern.exec(new URL(route.request().url()).pathname)?.[1] ?? 'no-such';
      await page.route('https://huggingface.co/**', (route) =>
        serve(join(EMBEDDED_MODEL, lastOf(route, /\/resolve\/main\/([\w/.]+)$/u)))(route),
      );
      // where Transformers.js has ONNX Runtime's WebAssembly from, unless an app says otherwise
      await page.route('https://cdn.jsdelivr.net/**', (route) =>
        serve(join('node_modules/onnxruntime-web/dist', lastOf(route, /\/dist\/([\w.-]+)$/u)))(route),
      );
      await page.goto(`${host.address}?model=someone/scenes`);
      await page.getByLabel('Picture').setInputFiles(picture);
      await page.getByLabel('Question').fill(QUESTION);
      await page.getByRole('button', { name: 'Ask' }).click();
      const output = page.locator('output');
      await output
        .filter({ hasNotText: 'Loading' })
        .and(output.filter({ hasText: /\w/u }))
        .waitFor({ timeout: 120_000 });
      expect(await output.textContent()).toContain('(72 of 144 image tokens)');
    } finally {
      await browser.close();
      host?.server.close();
    }
  });
});

/** The answer of a server to the question about the picture. */
async function answerOf(client: OpenAI): Promise<string> {
  const url = `data:image/png;base64,${(await readFile(picture)).toString('base64')}`;
  const { data } = await client.models.list();
  const { choices } = await client.chat.completions.create({
    model: data[0]?.id ?? '',
    max_completion_tokens: 16,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url } },
          { type: 'text', text: QUESTION },
        ],
      },
    ],
  });
  return choices[0]?.message.content ?? '';
}
