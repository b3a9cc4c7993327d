// 200 generations leave the process's memory as it was.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { expect, it } from 'vitest';
import { Conversation } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { fastv } from './index.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

async function memory(): Promise<{ rss: number; heap: number; external: number }> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { rss, heap: heapUsed, external: arrayBuffers };
}

it('after 200 generations memory is flat', { timeout: 300_000 }, async () => {
  const conversation = await Conversation.load(EMBEDDED_MODEL);
  const model = (await fastv(AutoModelForImageTextToText as never, EMBEDDED_MODEL, {
    dtype: 'fp32',
    cache: false,
  })) as { generate(options: object): Promise<unknown>; dispose(): Promise<unknown> };
  const image = { data: new Uint8ClampedArray(96 * 96 * 3).fill(128), width: 96, height: 96 };
  const inputs = await conversation.inputs([{ role: 'user', text: 'What is this?', images: [image] }]);
  const generate = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await model.generate({ ...inputs, max_new_tokens: 2, fastv: { ratio: (i % 10) / 10 } });
    }
  };
  await generate(30);
  const before = await memory();
  await generate(200);
  const after = await memory();
  // a leak of one KV cache a generation would be 700 MB
  expect(after.rss - before.rss).toBeLessThan(64e6);
  expect(after.heap - before.heap).toBeLessThan(8e6);
  expect(after.external - before.external).toBeLessThan(16e6);
  await model.dispose();
});
