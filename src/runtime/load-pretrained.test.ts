import { cp, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FastvError } from '../errors.js';
import { Conversation } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { loadPretrained } from './load-pretrained.js';
import { fastv } from './node.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-load-'));
  await cp(EMBEDDED_MODEL, folder, { recursive: true });
  await truncate(join(folder, 'onnx', 'vision_encoder.onnx'), 5000);
  await rm(join(folder, 'onnx', 'embed_tokens_quantized.onnx'));
});
afterAll(() => rm(folder, { recursive: true }));

const asIs = <T>(source: T): Promise<T> => Promise.resolve(source);

/** What a class is asked for. */
async function given(options: Record<string, unknown>, device?: 'wasm'): Promise<unknown> {
  const seen: unknown[] = [];
  const modelClass = { from_pretrained: (_: string, all?: object) => Promise.resolve(seen.push(all)) };
  await loadPretrained(modelClass, 'model', options, asIs, device);
  return seen[0];
}

it("runs on the caller's device, else on the default one, whatever a model's config.json says", async () => {
  expect(await given({})).toMatchObject({ device: 'cpu' });
  expect(await given({}, 'wasm')).toMatchObject({ device: 'wasm' });
  expect(await given({ device: 'webgpu' })).toMatchObject({ device: 'webgpu' });
  expect(await given({ device: null })).toMatchObject({ device: 'cpu' });
});

it.each([
  ['a damaged file', {}, 'malformed-model', /vision_encoder\.onnx$/u],
  ['a dtype that it has not', { dtype: 'q8' }, 'io', /fastv-load-/u],
  ['no such device', { device: 'tpu' }, 'invalid-option', /^device$/u],
] as const)('%s is a typed error that says where', async (_, options, code, where) => {
  const error: unknown = await fastv(AutoModelForImageTextToText, folder, {
    dtype: 'fp32',
    cache: false,
    ...options,
  } as never).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(FastvError);
  expect(error).toMatchObject({ code, where: expect.stringMatching(where) as unknown });
  expect((error as FastvError).hint).toMatch(/\w/u);
});

it('a processor that is not there is one, too', async () => {
  const nowhere = join(folder, 'nowhere');
  await expect(Conversation.load(nowhere)).rejects.toMatchObject({ code: 'io', where: nowhere });
});
