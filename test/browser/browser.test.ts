// The browser build in headless Chromium, on WASM and on WebGPU (software Vulkan): the kept tokens and answers of Node.
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Conversation } from '../../src/runtime/conversation.js';
import { EMBEDDED_MODEL } from '../../src/runtime/embedded.js';
import { fastv } from '../../src/runtime/index.js';
import { inspectModel } from '../../src/runtime/inspect-model.js';
import { openModel } from '../../src/runtime/model.js';
import { loadAtlas } from '../../src/scenes/atlas.js';
import { makeItem } from '../../src/scenes/dataset.js';
import { renderScene } from '../../src/scenes/render.js';
import { IMAGE_SIZE } from '../../src/scenes/scene.js';
import { CHROMIUM, SOFTWARE_WEBGPU, staticHost } from '../chromium.js';
import type {} from './page.js';
import { askAll, askOpened, type PageAnswer, type PageQuestion, type Pruning } from './questions.js';

const RATIO = 0.5;
const HALF: Pruning = { ratio: RATIO };
const SIZES: Pruning = { ratio: 0.9, preset: 'sizes' };
describe.skipIf(CHROMIUM === undefined)('in Chromium', () => {
  let server: Server;
  let address: string;
  let questions: PageQuestion[];
  let expected: PageAnswer[];
  let expectedOfSizes: PageAnswer[];

  beforeAll(async () => {
    const atlas = loadAtlas();
    questions = (['existence', 'color', 'position'] as const).map((family, index) => {
      const { question, scenes } = makeItem('test', family, index, atlas);
      const [scene] = scenes;
      if (scene === undefined) throw new Error('no scene');
      return { text: question, size: IMAGE_SIZE, pixels: Array.from(renderScene(scene, atlas)) };
    });
    expected = await inNode(questions, HALF);
    expectedOfSizes = await inNode(questions, SIZES);
    expect(kept(expected) - kept(expectedOfSizes)).toBe(72 - 14);
    const bundle = await build({
      entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      write: false,
      logLevel: 'error',
    });
    ({ server, address } = await serve(bundle.outputFiles[0]?.contents ?? new Uint8Array()));
  }, 120_000);
  afterAll(() => {
    server.close();
  });

  it.each([
    ['wasm', 'half', []],
    ['webgpu', 'half', SOFTWARE_WEBGPU],
    // picks tokens one after another: on the processor, wherever the rest runs
    ['wasm', 'sizes', []],
    ['webgpu', 'sizes', SOFTWARE_WEBGPU],
  ] as const)(
    '%s, %s: keeps the same tokens and gives the same answers as Node',
    { timeout: 300_000 },
    async (device, name, flags) => {
      await inPage(flags, async (page) => {
        const answers = await page.evaluate(
          ([chosen, asked, pruning]) => window.answer(chosen, asked, pruning),
          [device, questions, name === 'half' ? HALF : SIZES] as const,
        );
        expect(answers).toEqual(name === 'half' ? expected : expectedOfSizes);
      });
    },
  );

  it('the AI SDK’s provider gives the same answers, from as many tokens', { timeout: 300_000 }, async () => {
    const [question, answer] = [questions[0], expected[0]];
    if (question === undefined || answer === undefined) expect.fail('no question');
    const raw = { width: question.size, height: question.size, channels: 3 } as const;
    const png = await sharp(Uint8Array.from(question.pixels), { raw }).png().toBuffer();
    await inPage([], async (page) => {
      const said = await page.evaluate(
        ([picture, text, ratio]) => window.answerByProvider(picture, text, ratio),
        [`data:image/png;base64,${png.toString('base64')}`, question.text, RATIO] as const,
      );
      expect(said.text.trim()).toBe(answer.answer);
      expect(said.kept).toBe(72);
      expect(said.tokens).toBeGreaterThan(0);
    });
  });

  it('an opened model finds the R of Node, and answers as it', { timeout: 300_000 }, async () => {
    const [question] = questions;
    if (question === undefined) expect.fail('no question');
    await inPage([], async (page) => {
      const said = await page.evaluate((asked) => window.answerOpened(asked), question);
      expect(said).toEqual(await askOpened(openModel, inspectModel, EMBEDDED_MODEL, question));
      expect(said.pieces).toBe(said.text);
    });
  });

  /** Opens the page, and expects it to complain of nothing. */
  async function inPage(flags: readonly string[], run: (page: Page) => Promise<void>): Promise<void> {
    let browser: Browser | undefined;
    try {
      browser = await chromium.launch({
        ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
        args: ['--no-sandbox', ...flags],
      });
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      await page.goto(address);
      await page.waitForFunction(() => typeof window.answer === 'function');
      await run(page);
      expect(complaints).toEqual([]);
    } finally {
      await browser?.close();
    }
  }
});

const kept = ([first]: readonly PageAnswer[]): number => first?.kept.length ?? NaN;

async function inNode(questions: readonly PageQuestion[], pruning: Pruning): Promise<PageAnswer[]> {
  const conversation = await Conversation.load(EMBEDDED_MODEL);
  const options = { dtype: 'fp32', layer: 2, cache: false, ...pruning };
  const model = await fastv(AutoModelForImageTextToText as never, EMBEDDED_MODEL, options);
  return askAll(model, conversation, questions);
}

/** The page, the model, and ONNX Runtime's WASM, on a port of this machine. */
function serve(script: Uint8Array): Promise<{ server: Server; address: string }> {
  const transformers = createRequire(import.meta.url).resolve('@huggingface/transformers');
  const runtime = dirname(createRequire(transformers).resolve('onnxruntime-web'));
  return staticHost(
    { '/models/scenes-llava/': EMBEDDED_MODEL, '/ort/': runtime },
    {
      '/index.html': '<!doctype html><script type="module" src="/page.js"></script>',
      '/page.js': script,
    },
  );
}
