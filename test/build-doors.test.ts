// Built models whose families Transformers.js lacks, or runs otherwise, through every door: conversations on one cache, the
// server's engine, the AI SDK, and the commands. That they answer as Hugging Face's code does is in build-generate.test.ts.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RawImage, type Tensor } from '@huggingface/transformers';
import { generateText } from 'ai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFastv } from '../src/ai-sdk/index.js';
import { build } from '../src/build/build.js';
import type { Message, RgbImage } from '../src/runtime/conversation.js';
import { openModel, type OpenedModel } from '../src/runtime/model.js';
import { Engine } from '../src/server/engine/engine.js';
import { runCli } from './cli.js';
import { FIXTURES } from './vlm-golden.js';

const GREEDY = { temperature: 0, seed: 0, frequencyPenalty: 0, presencePenalty: 0, logitBias: new Map() };
const FASTV = { layer: 1, ratio: 0.5, cache: false, onWarning: () => undefined };

interface Asked {
  readonly family: string;
  /** Frames of one video. */
  readonly video?: readonly string[];
  /** No second turn: what is asked first sees what comes later (PaliGemma), or the fixture's template has no answers. */
  readonly once?: boolean;
}

const FAMILIES: readonly Asked[] = [
  { family: 'llava_next', once: true },
  { family: 'llava_onevision' },
  { family: 'video_llava' },
  { family: 'video_llava', video: Array.from({ length: 8 }, (_, i) => `video${i}.png`) },
  { family: 'qwen-vl-chat' },
  { family: 'gemma3' },
  { family: 'paligemma', once: true },
  { family: 'internvl' },
  { family: 'mistral3' },
];

const folder = mkdtempSync(join(tmpdir(), 'fastv-doors-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Builds a family, once; what some models' own settings draw is greedy here. */
async function builtOnce(family: string): Promise<string> {
  const output = join(folder, family);
  if (existsSync(output)) return output;
  await build(join(FIXTURES, family), output);
  const settings = join(output, 'generation_config.json');
  const own = JSON.parse(readFileSync(settings, 'utf8')) as Record<string, unknown>;
  writeFileSync(settings, JSON.stringify({ ...own, do_sample: false, repetition_penalty: 1 }));
  return output;
}

async function pictureOf(family: string, name: string): Promise<RgbImage> {
  const { data, width, height } = (await RawImage.read(join(FIXTURES, family, name))).rgb();
  return { data: data as Uint8ClampedArray, width, height };
}

describe.each(FAMILIES.map((one) => ({ ...one, kind: one.video === undefined ? 'pictures' : 'a video' })))(
  '$family with $kind',
  ({ family, video, once = false }) => {
    const output = join(folder, family);
    let images: RgbImage[];
    let model: OpenedModel;
    beforeAll(async () => {
      await builtOnce(family);
      images = await Promise.all((video ?? ['resize0.png']).map((name) => pictureOf(family, name)));
      model = await openModel(output, { fastv: FASTV });
    });
    afterAll(() => model.close());
    const question = (): Message => ({
      role: 'user',
      text: 'What is this?',
      images,
      video: video !== undefined,
    });
    const tokensOf = (sequences: unknown): number[] =>
      Array.from((sequences as { data: BigInt64Array }).data, Number);

    it.skipIf(once)('talks on one cache as it does without', async () => {
      const chat = model.chat();
      const first = await chat.ask('What is this?', images, {
        maxNewTokens: 3,
        ratio: 0,
        video: video !== undefined,
      });
      const second = await chat.ask('And that?', [], { maxNewTokens: 3, ratio: 0 });
      const said: Message[] = [question(), { role: 'assistant', text: first.text }];
      const next = await model.conversation.continued(said, first.sequences, {
        role: 'user',
        text: 'And that?',
      });
      const whole = { ...(await model.conversation.inputs([question()])), ...next };
      const fresh = await model.model.generate({
        ...whole,
        max_new_tokens: 3,
        do_sample: false,
        fastv: { ratio: 0 },
      });
      expect(tokensOf(second.sequences)).toEqual(tokensOf(fresh));
    });

    it('is served as it answers', async () => {
      const engine = await Engine.start(await openModel(output, { fastv: FASTV }), {
        sequences: 4,
        prefixCacheBytes: 2 ** 20,
      });
      const longer = { ...question(), text: 'What is in the picture, and where?' };
      const asked = [question(), longer, question()];
      const served = await Promise.all(
        asked.map(async (message) => {
          const turn = { message, images: images.map((_, i) => `picture ${i}`), pruning: { ratio: 0.5 } };
          let text = '';
          const add = (_: number, __: unknown, piece: string): void => {
            text += piece;
          };
          const { reports } = await engine.generate({
            prompt: await engine.prompt([turn]),
            maxTokens: 4,
            answers: [GREEDY],
            stop: [],
            signal: new AbortController().signal,
            listener: { onToken: add, onFinish: add },
          });
          return { text: text.trim(), kept: reports.at(-1)?.rows[0]?.keptImageTokens };
        }),
      );
      await engine.close();
      for (const [i, message] of asked.entries()) {
        const { text, report } = await model.ask([message], { maxNewTokens: 4, ratio: 0.5 });
        expect(served[i]).toEqual({ text, kept: report?.rows[0]?.keptImageTokens });
      }
    });

    it.skipIf(video !== undefined)('answers in the AI SDK', async () => {
      await using provider = createFastv({ ...FASTV });
      const image = readFileSync(join(FIXTURES, family, 'resize0.png'));
      const { text } = await generateText({
        model: provider(output),
        messages: [
          {
            role: 'user',
            content: [
              { type: 'image', image },
              { type: 'text', text: 'What is this?' },
            ],
          },
        ],
        temperature: 0,
        maxOutputTokens: 4,
        maxRetries: 0,
      });
      expect(text.trim()).toBe((await model.ask([question()], { maxNewTokens: 4, ratio: 0.5 })).text);
    });

    it.skipIf(video !== undefined)('is run, compared and analysed', async () => {
      const picture = join(FIXTURES, family, 'resize0.png');
      const overlay = join(folder, `${family}.png`);
      const asked = ['--model', output, '--json', '-q'];
      const own = ['--max-new-tokens', '2', picture, join(FIXTURES, family, 'exact0.png'), 'What is this?'];
      const run = await runCli('run', '--compare', '--repeat', '1', '--overlay', overlay, ...asked, ...own);
      expect(run).toMatchObject({ code: 0 });
      expect(existsSync(overlay)).toBe(true);
      const tasks = ['--tasks', 'scenes-existence', '--limit', '1', '-o', join(folder, `${family}-out`)];
      expect(await runCli('analyze', ...asked, ...tasks)).toMatchObject({ code: 0 });
    });
  },
);

describe('pictures of several sizes', () => {
  it('are the same beside others as alone, where each has its own size (Mistral 3)', async () => {
    const model = await openModel(await builtOnce('mistral3'));
    const images = await Promise.all(
      ['exact0.png', 'resize0.png'].map((name) => pictureOf('mistral3', name)),
    );
    const encoder = model.model as unknown as {
      encode_image(inputs: Record<string, unknown>): Promise<Tensor>;
    };
    const features = async (some: readonly RgbImage[]): Promise<number[]> => {
      const inputs = await model.conversation.inputs([{ role: 'user', text: 'What?', images: some }]);
      return Array.from((await encoder.encode_image(inputs)).data as Float32Array);
    };
    const alone = (await Promise.all(images.map((image) => features([image])))).flat();
    expect(await features(images)).toEqual(alone);
    await model.close();
  });
});
