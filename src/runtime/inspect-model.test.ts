import { env } from '@huggingface/transformers';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { statSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { hubMirror } from '../../test/hub-mirror.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { inspectModel } from './inspect-model.js';

const PARTS = ['decoder_model_merged', 'embed_tokens', 'vision_encoder'];
const sizeIn = (suffix: string): number =>
  PARTS.reduce((sum, part) => sum + statSync(join(EMBEDDED_MODEL, 'onnx', `${part}${suffix}.onnx`)).size, 0);

const { remoteHost, cacheDir } = env;
let close: (() => Promise<void>) | undefined;
afterEach(async () => {
  Object.assign(env, { remoteHost, cacheDir });
  await close?.();
  close = undefined;
});

describe('a model, before its weights are fetched', () => {
  it('in a folder', async () => {
    const found = await inspectModel(EMBEDDED_MODEL, { picture: { width: 300, height: 200 } });
    expect(found).toMatchObject({
      ...{ family: 'llava', prunable: true, reason: undefined, layers: 10 },
      ...{ imageTokens: 144, keptImageTokens: 72, bytes: { fp32: sizeIn(''), q8: sizeIn('_quantized') } },
    });
    expect(Object.keys(found.bytes)).toEqual(['fp32', 'q8']);
    // two of ten layers see all, the others 72 less
    const prompt = found.promptTokens ?? 0;
    expect(found.kvRatio).toBeCloseTo((2 * prompt + 8 * (prompt - 72)) / (10 * prompt), 12);
    expect(found.flopsRatio).toBeLessThan(found.kvRatio ?? 0);
    expect(found.flopsRatio).toBeGreaterThan(0.5);
  });

  it('on a hub, of which no weights are fetched', async () => {
    const mirror = await hubMirror('someone/scenes', EMBEDDED_MODEL);
    const cache = await mkdtemp(join(tmpdir(), 'fastv-inspect-'));
    close = async () => {
      await mirror.close();
      await rm(cache, { recursive: true, force: true });
    };
    Object.assign(env, { remoteHost: `${mirror.endpoint}/`, cacheDir: cache });
    const found = await inspectModel('someone/scenes', { ratio: 0.75 });
    expect(found).toMatchObject({ name: 'someone/scenes', keptImageTokens: 36, prunable: true });
    expect(found.bytes).toEqual({ fp32: sizeIn(''), q8: sizeIn('_quantized') });
    const fetched = mirror.requests.filter(
      ({ path, range }) => path.endsWith('.onnx') && range !== 'bytes=0-0',
    );
    expect(fetched).toEqual([]);
    await expect(inspectModel('someone/nothing')).rejects.toMatchObject({ code: 'io' });
  });

  it.each([
    [{ ratio: 2 }, 'R = 2'],
    [{ layer: 99 }, 'K = 99'],
    [{ ration: 0.5 }, 'ration'],
    [{ picture: { width: 0, height: 5 } }, 'no size'],
    [{ picture: { width: 1e6, height: 1e6 } }, 'no size'],
  ])('with options that make no sense: %j', async (given, words) => {
    const options = given as object;
    await expect(inspectModel(EMBEDDED_MODEL, options)).rejects.toMatchObject({ code: 'invalid-option' });
    await expect(inspectModel(EMBEDDED_MODEL, options)).rejects.toThrow(words);
  });
});
