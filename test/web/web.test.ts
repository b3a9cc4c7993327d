// The page, built and served as any static host would, in headless Chromium.
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { AxeBuilder } from '@axe-core/playwright';
import { AutoModelForImageTextToText, type Tensor } from '@huggingface/transformers';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import sharp from 'sharp';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Conversation } from '../../src/runtime/conversation.js';
import { EMBEDDED_MODEL } from '../../src/runtime/embedded.js';
import { fastv } from '../../src/runtime/index.js';
import { CHROMIUM, SOFTWARE_WEBGPU, staticHost } from '../chromium.js';

const HUB_MODEL = 'someone/scenes';

interface BundledQuestions {
  readonly file: string;
  readonly questions: readonly { readonly text: string; readonly answer: string }[];
}

describe.skipIf(CHROMIUM === undefined)('the page', { timeout: 240_000, retry: 1 }, () => {
  let folder: string;
  let server: Server;
  let address: string;
  let browser: Browser;
  /** Addresses beyond the page's own that a test saw. */
  let foreign: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastv-web-'));
    const root = fileURLToPath(new URL('../../web', import.meta.url));
    await build({
      root,
      configFile: join(root, 'vite.config.ts'),
      logLevel: 'error',
      build: { outDir: folder },
    });
    ({ server, address } = await staticHost({ '/': folder }));
    browser = await chromium.launch({
      ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
      args: ['--no-sandbox'],
    });
  }, 240_000);
  afterAll(async () => {
    await browser.close();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** The page, opened and ready: both have answered. */
  async function open(options: BrowserContextOptions = {}, hash = '', of = browser): Promise<Page> {
    const context = await of.newContext(options);
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    foreign = [];
    page.on('request', (request) => {
      if (!/^(blob|data):/u.test(request.url()) && !request.url().startsWith(address))
        foreign.push(request.url());
    });
    await page.goto(address + hash);
    if (options.serviceWorkers !== 'block') await reloaded(page);
    return page;
  }

  /** The page loads once more to be served with its headers; what is asked of it meanwhile is lost. */
  async function reloaded(page: Page): Promise<void> {
    const end = Date.now() + 60_000;
    while (Date.now() < end) {
      if (await page.evaluate(() => crossOriginIsolated).catch(() => false)) return;
      await page.waitForTimeout(100);
    }
    throw new Error('the page is never isolated');
  }

  const side = (page: Page, name: 'Original' | 'FastV') => page.getByRole('article', { name, exact: true });
  const ready = (page: Page): Promise<unknown> =>
    page.waitForFunction(
      // The document of the second load has no body at first.
      () => document.querySelector('body')?.textContent.includes('Move a slider: FastV answers again.') === true &&
      /[a-z]/u.test(document.querySelector('article[aria-label=FastV] .answer')?.textContent ?? ''), // prettier-ignore
    );
  const kept = async (page: Page): Promise<number[]> =>
    ((await page.locator('canvas.picture').getAttribute('data-kept')) ?? '').split(' ').map(Number);

  it('answers as Node does, from the same patches, and asks nobody else for anything', async () => {
    const page = await open();
    await ready(page);
    const question = await page.getByRole('textbox', { name: 'Question' }).inputValue();
    const index = JSON.parse(
      await readFile(join(folder, 'pictures/index.json'), 'utf8'),
    ) as BundledQuestions[];
    const shown = index.find(({ questions }) => questions.some(({ text }) => text === question));
    const expected = await inNode(join(folder, 'pictures', shown?.file ?? ''), question, [0, 0.5]);
    expect(await side(page, 'Original').locator('.answer').textContent()).toContain(expected[0]?.answer);
    expect(await side(page, 'FastV').locator('.answer').textContent()).toContain(expected[1]?.answer);
    expect(await kept(page)).toEqual(expected[1]?.kept);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(foreign).toEqual([]);
    await page.context().close();
  });

  // a minute on a software device: by hand
  it.skipIf(process.env['FASTV_WEBGPU_PAGE'] === undefined)(
    'runs on WebGPU',
    async () => {
      const own = await chromium.launch({
        ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
        args: ['--no-sandbox', ...SOFTWARE_WEBGPU],
      });
      try {
        const page = await open({}, '#device=webgpu', own);
        page.setDefaultTimeout(600_000);
        await ready(page);
        await page.getByText('Runs on WebGPU').waitFor();
        expect(await kept(page)).toHaveLength(72);
        expect(await side(page, 'FastV').locator('.tick').count()).toBe(1);
      } finally {
        await own.close();
      }
    },
    700_000,
  );

  it('runs again as sliders move, shows layers, maps and a benchmark', async () => {
    const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await ready(page);
    expect(await kept(page)).toHaveLength(72);
    const ratio = page.getByRole('slider', { name: /^R,/u });
    await ratio.fill('75');
    await page.waitForFunction(() => document.querySelector('canvas.picture')?.getAttribute('data-kept')?.split(' ').length === 36); // prettier-ignore
    expect(page.url()).toContain('ratio=0.75');
    await page.getByRole('slider', { name: /^Layer/u }).fill('1');
    expect(await page.locator('canvas.picture').getAttribute('data-kept')).toBeNull();
    await page.getByRole('combobox', { name: 'Where tokens go' }).selectOption('pyramid');
    await page.getByRole('slider', { name: /^Layer/u }).fill('9');
    await page.waitForFunction(() => document.querySelector('canvas.picture')?.getAttribute('data-kept')?.split(' ').length === 18); // prettier-ignore
    await ready(page);
    await page.getByRole('button', { name: 'Show the maps' }).click();
    await page.getByRole('img', { name: 'attention map of layer 9' }).waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByRole('button', { name: 'Copy as Markdown' }).click();
    const table = await page.evaluate(() => navigator.clipboard.readText());
    expect(table).toContain('| 75 % | 36 of 144 |');
    await page.context().close();
  });

  it('takes a picture of one’s own, and says what is none', async () => {
    const page = await open();
    await ready(page);
    const own = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#3366aa' } })
      .png()
      .toBuffer();
    const input = page.getByLabel('Open a picture');
    await input.setInputFiles({ name: 'own.png', mimeType: 'image/png', buffer: own });
    await page.getByText('knows synthetic scenes only: it will answer').waitFor();
    await ready(page);
    expect(await kept(page)).toHaveLength(72);
    await input.setInputFiles({ name: 'bad.png', mimeType: 'image/png', buffer: Buffer.from('no picture') });
    await page.getByRole('alert').getByText('This file is no picture').waitFor();
    await page.context().close();
  });

  it('fetches a model of the hub only when asked, with its size first', async () => {
    const page = await open({ serviceWorkers: 'block' }, `#model=${HUB_MODEL}&dtype=q8`);
    await mirror(page);
    await page.getByRole('alert').getByText('is a model of the Hugging Face hub').waitFor();
    expect(foreign).toEqual([]);
    await page.getByRole('button', { name: 'Look up its size' }).click();
    await page.getByRole('button', { name: /^Load q8: 12/u }).click();
    await ready(page);
    expect(await kept(page)).toHaveLength(72);
    const list = page.getByRole('list', { name: 'Models that this browser keeps' });
    await list.getByText(`${HUB_MODEL}: 12 MB kept`).waitFor();
    await list.getByRole('button', { name: `Remove ${HUB_MODEL}` }).click();
    await list.waitFor({ state: 'detached' });
    const left = await page.evaluate(async () =>
      (await (await caches.open('transformers-cache')).keys()).map(({ url }) => url),
    );
    expect(left.filter((url) => url.includes(HUB_MODEL))).toEqual([]);
    await page.getByLabel(/^A model of the Hugging Face hub/u).fill('no/such');
    await page.getByRole('button', { name: 'Look up its size' }).click();
    await page.getByText('The hub has no public model no/such').waitFor();
    await page.context().close();
  });

  it.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
  ] as const)('is accessible: %s', async (_, options) => {
    const page = await open(options);
    await ready(page);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual(
      [],
    );
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await page.context().close();
  });

  it('works by the keyboard alone', async () => {
    const page = await open();
    await ready(page);
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(() => document.activeElement?.getAttribute('name') === 'question')) break;
    }
    await page.keyboard.press('Control+A');
    await page.keyboard.type('How many objects are there?');
    await page.keyboard.press('Enter');
    await page.getByText('Working').first().waitFor();
    await ready(page);
    expect(await side(page, 'Original').locator('.answer').textContent()).toMatch(/\w/u);
    await page.context().close();
  });

  it('weighs little without the model and the runtime', async () => {
    const files = await readdir(folder, { recursive: true });
    const code = files.filter((file) => /^(index\.html|isolation\.js|assets\/.*\.(js|css))$/u.test(file));
    const sizes = await Promise.all(
      code.map(async (file) => gzipSync(await readFile(join(folder, file))).length),
    );
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(400_000);
  });
});

/** What Node answers to a question about a picture, at some R. */
async function inNode(
  file: string,
  text: string,
  ratios: readonly number[],
): Promise<{ answer: string; kept: number[] }[]> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const conversation = await Conversation.load(EMBEDDED_MODEL);
  const model = await fastv(AutoModelForImageTextToText, EMBEDDED_MODEL, {
    dtype: 'q8',
    layer: 2,
    cache: false,
  });
  const image = { data: new Uint8ClampedArray(data), width: info.width, height: info.height };
  const inputs = await conversation.inputs([{ role: 'user', text, images: [image] }]);
  const answers = [];
  for (const ratio of ratios) {
    const sequences = (await model.generate({ ...inputs, max_new_tokens: 32, fastv: { ratio } })) as Tensor;
    const image = model.fastv.last?.rows[0]?.images[0];
    answers.push({
      answer: conversation.answers(inputs, sequences)[0] ?? '',
      kept: image?.kept.map(({ index }) => index) ?? [],
    });
  }
  await model.dispose();
  return answers;
}

/** The hub's addresses, answered with the bundled model's files. */
async function mirror(page: Page): Promise<void> {
  await page.context().route('https://huggingface.co/**', async (route) => {
    const { pathname } = new URL(route.request().url());
    const headers = { 'access-control-allow-origin': '*' };
    if (pathname === `/api/models/${HUB_MODEL}`) {
      const files = await readdir(join(EMBEDDED_MODEL, 'onnx'));
      const siblings = await Promise.all(
        files.map(async (file) => ({
          rfilename: `onnx/${file}`,
          size: (await readFile(join(EMBEDDED_MODEL, 'onnx', file))).length,
        })),
      );
      return route.fulfill({ json: { siblings }, headers });
    }
    const file = new RegExp(`^/${HUB_MODEL}/resolve/main/([\\w/.]+)$`, 'u').exec(pathname)?.[1];
    const path = join(EMBEDDED_MODEL, file ?? 'no-such');
    return file !== undefined && existsSync(path)
      ? route.fulfill({ body: await readFile(path), headers })
      : route.fulfill({ status: 404, headers });
  });
}
