// How much is kept, by the plug on the embedded model: schedules, mass, shares of images, none at all.
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { beforeAll, describe, expect, it } from 'vitest';
import { scene } from '../../test/server/scene-turn.js';
import { stagesOf, type Strategy } from '../strategies/index.js';
import { Conversation, type ModelInputs } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { fastv } from './index.js';
import type { PrefillReport } from './options.js';
import type { FastvHandle } from './plug.js';

interface Loaded {
  generate(options: Record<string, unknown>): Promise<unknown>;
  dispose(): Promise<unknown>;
  readonly fastv: FastvHandle;
}

const load = (options: Record<string, unknown>): Promise<Loaded> =>
  fastv(AutoModelForImageTextToText as never, EMBEDDED_MODEL, {
    dtype: 'fp32',
    cache: false,
    onWarning: () => undefined,
    ...options,
  });

const LAYERS = 10;
const TOKENS = 144;
let one: ModelInputs;
let two: ModelInputs;
beforeAll(async () => {
  const conversation = await Conversation.load(EMBEDDED_MODEL);
  const { question, images } = scene('color', 3);
  const other = scene('color', 4).images;
  one = await conversation.inputs([{ role: 'user', text: question, images }]);
  two = await conversation.inputs([{ role: 'user', text: question, images: [...images, ...other] }]);
});

/** What a prefill did. */
async function prefill(model: Loaded, inputs: ModelInputs, call?: object): Promise<PrefillReport> {
  await model.generate({ ...inputs, max_new_tokens: 1, ...(call && { fastv: call }) });
  const { last } = model.fastv;
  if (last === undefined) throw new Error('nothing was reported');
  return last;
}

describe('a schedule', () => {
  it('lies in the decoder’s own depth, and is what each layer saw', async () => {
    const model = await load({ preset: 'pyramid' });
    const { layers } = stagesOf('pyramid', LAYERS);
    expect(model.fastv.layer).toEqual(layers);
    const { layerTokens, rows } = await prefill(model, one);
    const text = (rows[0]?.sequence ?? 0) - TOKENS;
    const left = [TOKENS, TOKENS / 2, TOKENS / 4, TOKENS / 8];
    expect(layerTokens).toEqual(
      Array.from(
        { length: LAYERS },
        (_, layer) => text + (left[layers.filter((k) => k <= layer).length] ?? NaN),
      ),
    );
    await model.dispose();
  });

  it('says itself what layer and ratio would say', async () => {
    for (const option of [{ layer: 2 }, { ratio: 0.5 }, { budget: 3 }, { mass: 0.5 }, { dropAll: 8 }])
      await expect(load({ preset: 'late', ...option })).rejects.toMatchObject({
        code: 'invalid-option',
        where: Object.keys(option)[0],
      });
  });
});

describe('a budget by attention', () => {
  it('keeps more for a larger share, within its bounds; a call may bring a ratio all the same', async () => {
    const model = await load({ layer: 2, mass: 0.9 });
    const kept = async (call?: object): Promise<number> =>
      (await prefill(model, one, call)).rows[0]?.keptImageTokens ?? NaN;
    const usual = await kept();
    expect(usual).toBeGreaterThan(1);
    expect(usual).toBeLessThan(TOKENS);
    expect(await kept({ mass: 0.5 })).toBeLessThanOrEqual(usual);
    expect(await kept({ mass: { share: 1, greatest: 0.25 } })).toBe(TOKENS / 4);
    expect(await kept({ mass: { share: 0, least: 0.5 } })).toBe(TOKENS / 2);
    expect(await kept({ ratio: 0.75 })).toBe(TOKENS / 4);
    await model.dispose();
  });

  it('needs a decoder that is made for it, and shares that are some', async () => {
    const model = await load({ layer: 2, ratio: 0.5 });
    await expect(prefill(model, one, { mass: 0.9 })).rejects.toMatchObject({ code: 'invalid-option' });
    await model.dispose();
    for (const mass of [
      2,
      '0.9',
      null,
      {},
      { share: 0.5, most: 1 },
      { share: 0.5, least: 0.9, greatest: 0.1 },
    ])
      await expect(load({ mass })).rejects.toMatchObject({ code: 'invalid-option' });
    await expect(load({ layer: 0, strategy: 'grid', mass: 0.9 })).rejects.toMatchObject({ where: 'mass' });
    await expect(load({ mass: 0.9, ratio: 0.5 })).rejects.toMatchObject({ where: 'mass' });
  });
});

describe('images with shares', () => {
  it.each(['attention', 'scope'])('keep as many each, by %s', async (strategy) => {
    const model = await load({ layer: 2, ratio: 0.75, strategy, perImage: 'even' });
    const { rows, perImage } = await prefill(model, two);
    expect(perImage).toBe('even');
    expect(rows[0]?.images.map(({ kept }) => kept.length)).toEqual([TOKENS / 4, TOKENS / 4]);
    await model.dispose();
  });

  it('go by attention, and none goes without', async () => {
    const model = await load({ layer: 2, ratio: 0.99, perImage: 'attention' });
    const { rows } = await prefill(model, two);
    const kept = rows[0]?.images.map((image) => image.kept.length) ?? [];
    expect(kept.reduce((a, b) => a + b, 0)).toBe(3);
    for (const count of kept) expect(count).toBeGreaterThanOrEqual(1);
    await model.dispose();
    await expect(load({ perImage: 'odd' })).rejects.toMatchObject({ where: 'perImage' });
  });
});

describe('dropAll', () => {
  it('leaves no image token from its layer on', async () => {
    const model = await load({ layer: 2, ratio: 0.5, dropAll: 7 });
    const { layerTokens, rows } = await prefill(model, one);
    const text = (rows[0]?.sequence ?? 0) - TOKENS;
    expect(rows[0]?.keptImageTokens).toBe(0);
    expect(layerTokens).toEqual([
      ...[0, 1].map(() => text + TOKENS),
      ...[2, 3, 4, 5, 6].map(() => text + TOKENS / 2),
      ...[7, 8, 9].map(() => text),
    ]);
    expect((await prefill(model, one, { ratio: 0.75 })).layerTokens[3]).toBe(text + TOKENS / 4);
    await model.dispose();
    await expect(load({ layer: 4, dropAll: 3 })).rejects.toMatchObject({ code: 'invalid-option' });
  });
});

describe('scores that say nothing', () => {
  it('drop nothing, with one warning', async () => {
    const nothing: Strategy = {
      where: 'caller',
      name: 'nothing',
      description: 'no number for any token',
      scores: ({ length }) => new Float32Array(length).fill(NaN),
    };
    const warned: string[] = [];
    const model = await load({
      layer: 2,
      ratio: 0.5,
      strategy: nothing,
      onWarning: (_: string, kind: string) => warned.push(kind),
    });
    for (let turn = 0; turn < 2; turn++)
      expect((await prefill(model, one)).rows[0]?.keptImageTokens).toBe(TOKENS);
    expect(warned.filter((kind) => kind === 'unranked')).toEqual(['unranked']);
    await model.dispose();
  });
});
