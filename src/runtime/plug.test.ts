// The plug on the embedded model: the same tokens as a hand-written ONNX Runtime loop, and the original at R = 0.
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AutoModelForImageTextToText,
  DynamicCache,
  TextStreamer,
  type Tensor,
} from '@huggingface/transformers';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { scene } from '../../test/server/scene-turn.js';
import { writeCountingModel } from '../../test/counting-model.js';
import { concatChunks, decodeModel, encodeModel } from '../onnx/index.js';
import { rewriteDecoder } from '../rewrite/index.js';
import { IMAGE_FAMILIES, type Family } from '../scenes/question.js';
import { strategies, type Strategy } from '../strategies/index.js';
import { Conversation, type Message, type ModelInputs } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { fastv, type WarningKind } from './index.js';
import type { FastvHandle } from './plug.js';

const message = (family: Family, index: number): Message => {
  const { question, images } = scene(family, index);
  return { role: 'user', text: question, images };
};

interface Generates {
  generate(options: Record<string, unknown>): Promise<unknown>;
  dispose(): Promise<unknown>;
}
type Pruned = Generates & { readonly fastv: FastvHandle };

const MAX_NEW = 8;
/** The generated ids of each row, up to the end of the answer. */
async function tokens(
  model: Generates,
  inputs: ModelInputs,
  options: Record<string, unknown> = {},
): Promise<number[][]> {
  const sequences = (await model.generate({ max_new_tokens: MAX_NEW, ...inputs, ...options })) as Tensor;
  const [batch = 0, length = 0] = sequences.dims;
  const from = inputs.input_ids.dims[1] ?? 0;
  const data = Array.from(sequences.data as BigInt64Array, Number);
  return Array.from({ length: batch }, (_, row) => {
    const ids = data.slice(row * length + from, (row + 1) * length);
    const end = ids.indexOf(EOS);
    return end < 0 ? ids : ids.slice(0, end + 1);
  });
}
const EOS = 2;
const IMAGE_TOKEN = 3;

const load = (options: Record<string, unknown>, name = EMBEDDED_MODEL): Promise<Pruned> =>
  fastv(AutoModelForImageTextToText as never, name, {
    dtype: 'fp32',
    cache: false,
    onWarning: () => undefined,
    ...options,
  });

let conversation: Conversation;
let original: Generates;
let pruned: Pruned;
beforeAll(async () => {
  conversation = await Conversation.load(EMBEDDED_MODEL);
  original = (await AutoModelForImageTextToText.from_pretrained(EMBEDDED_MODEL, {
    dtype: 'fp32',
  })) as Generates;
  pruned = await load({ layer: 2, ratio: 0.5 });
});
afterAll(async () => {
  await Promise.all([original.dispose(), pruned.dispose()]);
});

/** FastV by hand: ONNX Runtime sessions, the rewritten graph, a loop. */
class ByHand {
  readonly #layer: number;
  #sessions: InferenceSession[] = [];
  constructor(layer: number) {
    this.#layer = layer;
  }
  async load(): Promise<this> {
    const file = (name: string): string => join(EMBEDDED_MODEL, 'onnx', `${name}.onnx`);
    const decoder = decodeModel(readFileSync(file('decoder_model_merged')));
    const { model } = rewriteDecoder(decoder, { stages: [{ layer: this.#layer }], strategy: 'attention' });
    this.#sessions = [
      await InferenceSession.create(file('vision_encoder')),
      await InferenceSession.create(file('embed_tokens')),
      await InferenceSession.create(concatChunks(encodeModel(model))),
    ];
    return this;
  }
  async generate(
    inputs: ModelInputs,
    ratio: number,
    past: Cache = {},
  ): Promise<{ ids: number[]; past: Cache }> {
    const [vision, embed, decoder] = this.#sessions;
    if (vision === undefined || embed === undefined || decoder === undefined) throw new Error('not loaded');
    let cache = past;
    let ids = Array.from(inputs.input_ids.data as BigInt64Array, Number).slice(lengthOf(cache));
    let total = inputs.input_ids.dims[1] ?? 0;
    const answer: number[] = [];
    for (let step = 0; step < MAX_NEW; step++) {
      const idTensor = new OrtTensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
      const { inputs_embeds: embeds } = await embed.run({ input_ids: idTensor });
      if (embeds === undefined) throw new Error('no embeddings');
      const mask = Uint8Array.from(ids, (id) => (id === IMAGE_TOKEN ? 1 : 0));
      const pixels = inputs['pixel_values'] as Tensor | undefined;
      if (step === 0 && pixels !== undefined) {
        const pixel = new OrtTensor('float32', pixels.data as Float32Array, pixels.dims);
        const { image_features: features } = await vision.run({ pixel_values: pixel });
        const from = features?.data as Float32Array;
        const hidden = embeds.dims[2] ?? 0;
        let next = 0;
        mask.forEach((flag, i) => {
          if (flag === 1)
            (embeds.data as Float32Array).set(from.subarray(next++ * hidden, next * hidden), i * hidden);
        });
      }
      const feeds: Record<string, OrtTensor> = {
        inputs_embeds: embeds,
        attention_mask: new OrtTensor('int64', new BigInt64Array(total).fill(1n), [1, total]),
        image_token_mask: new OrtTensor('bool', mask, [1, ids.length]),
        prune_ratio: new OrtTensor('float32', [ratio], [1]),
      };
      if (decoder.inputNames.includes('position_ids')) {
        const first = total - ids.length;
        feeds['position_ids'] = new OrtTensor(
          'int64',
          BigInt64Array.from(ids, (_, i) => BigInt(first + i)),
          [1, ids.length],
        );
      }
      if (decoder.inputNames.includes('num_logits_to_keep')) {
        feeds['num_logits_to_keep'] = new OrtTensor('int64', [1n], []);
      }
      for (const meta of decoder.inputMetadata) {
        if (!meta.isTensor || !meta.name.startsWith('past_key_values.')) continue;
        const [, heads = 0, , width = 0] = meta.shape.map(Number);
        feeds[meta.name] =
          cache[meta.name] ?? new OrtTensor('float32', new Float32Array(0), [1, heads, 0, width]);
      }
      const outputs = await decoder.run(feeds);
      const logits = outputs['logits'];
      if (logits === undefined) throw new Error('no logits');
      const vocabulary = logits.dims[2] ?? 0;
      const last = (logits.data as Float32Array).subarray(-vocabulary);
      const best = last.indexOf(Math.max(...last));
      answer.push(best);
      cache = Object.fromEntries(
        Object.entries(outputs)
          .filter(([name]) => name.startsWith('present.'))
          .map(([name, tensor]) => [name.replace('present', 'past_key_values'), tensor]),
      );
      if (best === EOS) break;
      ids = [best];
      total++;
    }
    return { ids: answer, past: cache };
  }
}
type Cache = Record<string, OrtTensor>;
const lengthOf = (cache: Cache): number => cache['past_key_values.0.key']?.dims[2] ?? 0;

describe('tokens', () => {
  it('are those of a hand-written ONNX Runtime loop', async () => {
    const byHand = await new ByHand(2).load();
    for (const [index, family] of IMAGE_FAMILIES.entries()) {
      const inputs = await conversation.inputs([message(family, index)]);
      for (const ratio of [0.5, 0.75, 1]) {
        const [ids] = await tokens(pruned, inputs, { fastv: { ratio } });
        expect(ids, `${family} R=${ratio}`).toEqual((await byHand.generate(inputs, ratio)).ids);
      }
    }
  });

  it('at R = 0 are the original’s, over 200 questions', { timeout: 600_000 }, async () => {
    let asked = 0;
    for (let index = 0; asked < 200; index++) {
      for (const family of IMAGE_FAMILIES) {
        if (asked === 200) break;
        const inputs = await conversation.inputs([message(family, 100 + index)]);
        const [expected, actual] = await Promise.all([
          tokens(original, inputs),
          tokens(pruned, inputs, { fastv: { ratio: 0 } }),
        ]);
        expect(actual, `${family} ${index}`).toEqual(expected);
        asked++;
      }
    }
  });
});

describe('a call', () => {
  it('reports what it did', async () => {
    const inputs = await conversation.inputs([message('count-all', 1)]);
    await pruned.generate({ ...inputs, max_new_tokens: 4, min_new_tokens: 4, fastv: { ratio: 0.75 } });
    const { last } = pruned.fastv;
    expect(last).toMatchObject({
      layer: [2],
      ratio: [0.75],
      strategy: 'attention',
      decodeSteps: expect.any(Number) as number,
    });
    const [row] = last?.rows ?? [];
    expect(row).toMatchObject({ imageTokens: 144, keptImageTokens: 36 });
    const [image] = row?.images ?? [];
    expect(image).toMatchObject({ tokens: 144, rows: 12, columns: 12 });
    expect(image?.kept).toHaveLength(36);
    for (const { index, row: y, column: x } of image?.kept ?? []) expect(index).toBe(y * 12 + x);
    expect(last?.flopsRatio).toBeGreaterThan(0.3);
    expect(last?.flopsRatio).toBeLessThan(0.6);
    // keys and values, fp32, 10 layers: 2 of them with all tokens, 8 without the 108 dropped ones
    const [bytes, sequence] = [2 * 4 * 256, row?.sequence ?? 0];
    expect(last?.kvBytes).toEqual({
      full: 10 * sequence * bytes,
      pruned: (2 * sequence + 8 * (sequence - 108)) * bytes,
    });
    expect(last?.ms.vision).toBeGreaterThan(0);
    expect(last?.ms.prefill).toBeGreaterThan(0);
    expect(last?.decodeSteps).toBeGreaterThan(0);
    expect(last?.ms.decode).toBeGreaterThan(0);
  });

  it('takes ratio or budget from the call, else from the handle', async () => {
    const inputs = await conversation.inputs([message('color', 2)]);
    const kept = async (options?: unknown): Promise<number | undefined> => {
      await pruned.generate({
        ...inputs,
        max_new_tokens: 1,
        ...(options === undefined ? {} : { fastv: options }),
      });
      return pruned.fastv.last?.rows[0]?.keptImageTokens;
    };
    expect(await kept()).toBe(72);
    expect(await kept({ budget: 31 })).toBe(31);
    expect(await kept({ budget: 1000 })).toBe(144);
    expect(await kept({ budget: 0 })).toBe(0);
    pruned.fastv.ratio = 0.25;
    expect(await kept()).toBe(108);
    pruned.fastv.budget = 10;
    expect([pruned.fastv.ratio, await kept()]).toEqual([undefined, 10]);
    pruned.fastv.ratio = 0.5;
    expect(await kept()).toBe(72);
    await expect(kept({ ratio: 2 })).rejects.toMatchObject({ code: 'invalid-option', where: 'ratio' });
    await expect(kept(0.5)).rejects.toMatchObject({ code: 'invalid-option' });
    expect(() => (pruned.fastv.ratio = -1)).toThrow(/no share/u);
  });

  it('streams', async () => {
    const inputs = await conversation.inputs([message('caption', 3)]);
    let streamed = '';
    const streamer = new TextStreamer(conversation.tokenizer, {
      skip_prompt: true,
      skip_special_tokens: true,
      callback_function: (text: string) => (streamed += text),
    });
    const sequences = (await pruned.generate({ ...inputs, max_new_tokens: 12, streamer })) as Tensor;
    expect(streamed.trim()).toBe(conversation.answers(inputs, sequences)[0]);
    expect(streamed.trim()).not.toBe('');
  });

  it('without images prunes nothing', async () => {
    const inputs = await conversation.inputs([{ role: 'user', text: 'What is this?' }]);
    expect(await tokens(pruned, inputs)).toEqual(await tokens(original, inputs));
    expect(pruned.fastv.last?.rows[0]).toMatchObject({ imageTokens: 0, images: [] });
  });

  it('tells images apart', async () => {
    const question = message('multi-image', 4);
    const inputs = await conversation.inputs([question]);
    expect(await tokens(pruned, inputs, { fastv: { ratio: 0 } })).toEqual(await tokens(original, inputs));
    const byHand = await new ByHand(2).load();
    expect(await tokens(pruned, inputs)).toEqual([(await byHand.generate(inputs, 0.5)).ids]);
    const images = pruned.fastv.last?.rows[0]?.images ?? [];
    expect(images.map(({ tokens: n }) => n)).toEqual((question.images ?? []).map(() => 144));
    expect(images.reduce((n, { kept }) => n + kept.length, 0)).toBe(72 * images.length);
  });
});

describe('a batch', () => {
  it('gives each row the answer that it gets alone, whatever their lengths', async () => {
    const families = ['existence', 'count-class', 'relation', 'text'] as const;
    const rows = families.map((family, i) => message(family, i));
    const inputs = await conversation.batch(rows.map((row) => [row]));
    expect(inputs.input_ids.dims[0]).toBe(4);
    expect(Array.from(inputs.attention_mask.data as BigInt64Array)).toContain(0n);
    for (const ratio of [0, 0.5, 0.9]) {
      const together = await tokens(pruned, inputs, { fastv: { ratio } });
      expect(pruned.fastv.last?.rows.map(({ imageTokens }) => imageTokens)).toEqual([144, 144, 144, 144]);
      for (const [i, row] of rows.entries()) {
        const alone = await tokens(pruned, await conversation.inputs([row]), { fastv: { ratio } });
        expect(together[i], `row ${i} R=${ratio}`).toEqual(alone[0]);
      }
    }
  });
});

describe('two turns on one cache', () => {
  it('give the tokens of a hand-written loop', async () => {
    const byHand = await new ByHand(2).load();
    const first = message('existence', 5);
    const inputs = await conversation.inputs([first]);
    const result = (await pruned.generate({
      ...inputs,
      max_new_tokens: MAX_NEW,
      return_dict_in_generate: true,
    })) as {
      sequences: Tensor;
      past_key_values: DynamicCache;
    };
    const expected = await byHand.generate(inputs, 0.5);
    const answer = {
      role: 'assistant',
      text: conversation.answers(inputs, result.sequences)[0] ?? '',
    } as const;
    // the second turn brings an image of its own, which is pruned as well
    const second = await conversation.continued([first, answer], result.sequences, message('color', 6));
    const ids = await tokens(pruned, second, { past_key_values: result.past_key_values });
    expect(ids).toEqual([(await byHand.generate(second, 0.5, expected.past)).ids]);
    expect(pruned.fastv.last?.rows[0]).toMatchObject({ imageTokens: 144, keptImageTokens: 72 });
  });

  it('at R = 0 give what the whole conversation gives', async () => {
    const first = message('count-all', 7);
    const inputs = await conversation.inputs([first]);
    const cache = new DynamicCache();
    const options = { ...inputs, max_new_tokens: MAX_NEW, fastv: { ratio: 0 } };
    const sequences = (await pruned.generate({ ...options, past_key_values: cache })) as Tensor;
    const answer = { role: 'assistant', text: conversation.answers(inputs, sequences)[0] ?? '' } as const;
    const next = { role: 'user', text: 'Is there a dog?' } as const;
    const second = await conversation.continued([first, answer], sequences, next);
    const whole = { ...second, pixel_values: inputs['pixel_values'] };
    expect(await tokens(pruned, second, { past_key_values: cache, fastv: { ratio: 0 } })).toEqual(
      await tokens(original, whole),
    );
  });
});

describe('concurrent calls', () => {
  it('do not mix: 8 generations with a ratio each', { timeout: 120_000 }, async () => {
    const calls = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => ({
        inputs: await conversation.inputs([message(IMAGE_FAMILIES[i % 4] ?? 'color', 20 + i)]),
        fastv: { ratio: i / 8 },
      })),
    );
    const alone: number[][][] = [];
    for (const { inputs, fastv: options } of calls)
      alone.push(await tokens(pruned, inputs, { fastv: options }));
    const together = await Promise.all(
      calls.map(({ inputs, fastv: options }) => tokens(pruned, inputs, { fastv: options })),
    );
    expect(together).toEqual(alone);
  });
});

describe('baselines', () => {
  it('random repeats with its seed, and prunes as many', async () => {
    const model = await load({ layer: 2, ratio: 0.75, strategy: 'random', seed: 1 });
    const inputs = await conversation.inputs([message('position', 8)]);
    const kept = async (options: object): Promise<readonly number[]> => {
      await model.generate({ ...inputs, max_new_tokens: 1, fastv: options });
      return model.fastv.last?.rows[0]?.keptIndices ?? [];
    };
    const first = await kept({});
    expect(first).toHaveLength((inputs.input_ids.dims[1] ?? 0) - 108);
    expect(await kept({ seed: 1 })).toEqual(first);
    expect(await kept({ seed: 2 })).not.toEqual(first);
    await model.dispose();
  });

  it('grid before the first layer (K = 0) keeps an even grid, also over two turns', async () => {
    const model = await load({ layer: 0, ratio: 0.75, strategy: 'grid' });
    const first = message('existence', 9);
    const inputs = await conversation.inputs([first]);
    const cache = new DynamicCache();
    const sequences = (await model.generate({
      ...inputs,
      max_new_tokens: MAX_NEW,
      past_key_values: cache,
    })) as Tensor;
    const kept = model.fastv.last?.rows[0]?.images[0]?.kept ?? [];
    expect(kept).toHaveLength(36);
    expect(kept.every(({ row, column }) => row % 2 === 0 && column % 2 === 0)).toBe(true);
    const answer = { role: 'assistant', text: conversation.answers(inputs, sequences)[0] ?? '' } as const;
    const next = { role: 'user', text: 'Is there a dog?' } as const;
    const second = await conversation.continued([first, answer], sequences, next);
    const [ids] = await tokens(model, second, { past_key_values: cache });
    expect(ids?.length).toBeGreaterThan(0);
    await model.dispose();
  });
});

describe('a strategy', () => {
  const keptBy = async (options: Record<string, unknown>): Promise<readonly number[]> => {
    const model = await load({ layer: 2, ratio: 0.75, ...options });
    const inputs = await conversation.inputs([message('position', 8)]);
    await model.generate({ ...inputs, max_new_tokens: 1 });
    const { strategy, rows } = model.fastv.last ?? {};
    expect([strategy, rows?.[0]?.keptImageTokens]).toEqual([model.fastv.strategy, 36]);
    await model.dispose();
    return rows?.[0]?.images[0]?.kept.map(({ index }) => index) ?? [];
  };

  it('of the list works by its name, each in its own way', async () => {
    const kept = new Set<string>();
    for (const { name } of strategies) kept.add((await keptBy({ strategy: name })).join());
    expect(kept.size).toBe(strategies.length);
  });

  it('of a caller works as it is, inside the graph and outside, whatever its name', async () => {
    const about = { name: 'attention', description: 'the opposite of what attention keeps' };
    const inside: Strategy = {
      ...about,
      where: 'graph',
      needsLayer: true,
      score: (context) => context.emit.op('Neg', [context.lastRowAttention()]),
    };
    const outside: Strategy = {
      ...about,
      where: 'caller',
      scores: ({ length }) => Float32Array.from({ length }, (_, position) => position),
    };
    const opposite = await keptBy({ strategy: inside, cache: true });
    const usual = new Set(await keptBy({ strategy: 'attention' }));
    expect(opposite.filter((index) => usual.has(index))).toEqual([]);
    expect(await keptBy({ strategy: outside })).toEqual(Array.from({ length: 36 }, (_, i) => 108 + i));
  });

  it('outside the graph has to give a score a token', async () => {
    const short: Strategy = {
      where: 'caller',
      name: 'short',
      description: 'too few scores',
      scores: () => new Float32Array(3),
    };
    await expect(keptBy({ strategy: short })).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringMatching(/^3 scores for \d+ tokens$/u) as string,
    });
  });
});

describe('a mistake', () => {
  const none = AutoModelForImageTextToText as never;
  it.each([
    [{ ration: 0.9 }, 'ratio'],
    [{ layers: 5 }, 'layer'],
    [{ R: 0.9 }, 'ratio'],
    [{ keep: 10 }, 'budget'],
    [{ strategies: 'grid' }, 'strategy'],
    [{ onPrefil: () => undefined }, 'onPrefill'],
    [{ dtyp: 'q8' }, 'dtype'],
    [{ local_file_only: true }, 'local_files_only'],
  ])('in the name of an option is refused at load: %j', async (options, meant) => {
    await expect(load(options)).rejects.toMatchObject({
      code: 'invalid-option',
      where: 'options',
      hint: `Did you mean ${meant}?`,
    });
  });

  it.each([
    [{ onUnsupported: 'wran' }, 'onUnsupported'],
    [{ onPrefill: 3 }, 'onPrefill'],
    [{ onWarning: 'quiet' }, 'onWarning'],
    [{ onWarning: null }, 'onWarning'],
    [{ cache: 'no' }, 'cache'],
    [{ signal: 3000 }, 'signal'],
    [{ ratio: null }, 'ratio'],
    [{ layer: null }, 'layer'],
    [{ strategy: null }, 'strategy'],
  ])('in the value of an option is refused at load: %j', async (options, where) => {
    await expect(load(options)).rejects.toMatchObject({ code: 'invalid-option', where });
  });

  it.each([[null], [[0.5]], [0.5], ['q8']])('for the options is refused: %j', async (options) => {
    await expect(fastv(none, EMBEDDED_MODEL, options as never)).rejects.toMatchObject({
      code: 'invalid-option',
      where: 'options',
    });
  });

  it('for the class is refused, with what to give', async () => {
    const pipeline = { task: 'image-text-to-text', model: original };
    for (const given of [original, pruned, pipeline]) {
      await expect(fastv(given as never, EMBEDDED_MODEL)).rejects.toMatchObject({
        code: 'invalid-option',
        where: 'modelClass',
        hint: expect.stringContaining('Give its class and name') as string,
      });
    }
    for (const given of [undefined, null, 'AutoModel', {}]) {
      await expect(fastv(given as never, EMBEDDED_MODEL)).rejects.toMatchObject({ where: 'modelClass' });
    }
    await expect(fastv(none, undefined as never)).rejects.toMatchObject({ where: 'name' });
  });

  it('that nobody can have meant goes on to Transformers.js, with a warning', async () => {
    const kinds: string[] = [];
    const onWarning = (message: string, kind: WarningKind): number =>
      kinds.push(`${kind}: ${/"(.*)"/u.exec(message)?.[1] ?? ''}`);
    const model = await load({ trust_remote_code: true, onWarning });
    expect(kinds).toContain('unknown-option: trust_remote_code');
    await model.dispose();
  });

  it('in a call is refused', async () => {
    const inputs = await conversation.inputs([message('color', 2)]);
    const call = (options: Record<string, unknown>): Promise<unknown> =>
      pruned.generate({ ...inputs, max_new_tokens: 1, ...options });
    for (const [options, hint] of [
      [{ fastv: { ration: 0.9 } }, 'Did you mean ratio?'],
      [{ fastv: { R: 0.9 } }, 'Did you mean ratio?'],
      [{ fastv: { keep: 10 } }, 'Did you mean budget?'],
      [{ fastv: { layer: 5 } }, 'layer is fixed when the model is loaded'],
      [{ fastv: { strategy: 'grid' } }, 'strategy is fixed when the model is loaded'],
      [{ fastv: [0.9] }, 'for example generate('],
      [{ fastv: 0.9 }, 'for example generate('],
      [{ ratio: 0.9 }, 'It goes into fastv'],
      [{ layer: 3 }, 'It is fixed when the model is loaded'],
      [{ generation_config: { fastv: { ratio: 0.9 } } }, 'beside generation_config'],
    ] as const) {
      await expect(call(options), JSON.stringify(options)).rejects.toMatchObject({
        code: 'invalid-option',
        hint: expect.stringContaining(hint) as string,
      });
    }
  });

  it('is not taken for a decoder that cannot be pruned', async () => {
    await expect(load({ layer: 50, onUnsupported: 'warn' })).rejects.toMatchObject({
      code: 'invalid-option',
    });
  });

  it('is refused by the handle, which otherwise does what it says', async () => {
    const handle = pruned.fastv as unknown as Record<string, unknown>;
    for (const [name, value] of [
      ['layer', 3],
      ['strategy', 'grid'],
      ['active', false],
      ['last', null],
    ]) {
      expect(() => (handle[String(name)] = value)).toThrow(
        expect.objectContaining({ code: 'invalid-option', where: `model.fastv.${String(name)}` }),
      );
    }
    expect(() => (handle['rato'] = 0.1)).toThrow(expect.objectContaining({ hint: 'Did you mean ratio?' }));
    expect(() => (handle['ratio'] = undefined)).toThrow(/cannot be undefined/u);
    expect(() => (pruned.fastv.layer as number[]).push(5)).toThrow(TypeError);
    expect([pruned.fastv.layer, pruned.fastv.strategy]).toEqual([[2], 'attention']);
    const model = await load({ layer: 2, ratio: 0.75, strategy: 'random' });
    const inputs = await conversation.inputs([message('position', 8)]);
    const kept = async (): Promise<readonly number[] | undefined> => {
      await model.generate({ ...inputs, max_new_tokens: 1 });
      return model.fastv.last?.rows[0]?.keptIndices;
    };
    const first = await kept();
    model.fastv.seed = 7;
    expect([model.fastv.seed, model.fastv.ratio]).toEqual([7, 0.75]);
    expect(await kept()).not.toEqual(first);
    model.fastv.ratio = 0.5;
    expect(model.fastv.seed).toBe(7);
    await model.dispose();
  });
});

describe('a call of its own', () => {
  it('has its own report and times, whatever runs beside it', async () => {
    const inputs = await conversation.inputs([message('count-all', 1)]);
    const ratios = [0, 0.25, 0.5, 0.75];
    const calls = ratios.map((ratio) => pruned.fastv.call({ ratio }));
    await Promise.all(calls.map((call) => pruned.generate({ ...inputs, max_new_tokens: 3, fastv: call })));
    for (const [i, call] of calls.entries()) {
      expect(call.report?.rows[0]?.keptImageTokens).toBe(144 * (1 - (ratios[i] ?? 0)));
      expect(call.report?.ms).toBe(call.ms);
      expect(call.ms.vision).toBeGreaterThan(0);
      expect(call.ms.prefill).toBeGreaterThan(0);
    }
    const [call] = calls;
    await expect(pruned.generate({ ...inputs, fastv: call })).rejects.toMatchObject({
      code: 'invalid-option',
      message: 'this call is made already',
    });
    expect(() => pruned.fastv.call({ ration: 1 } as never)).toThrow(/no option/u);
  });

  it('reports the tokens that each layer saw, and the FLOPs of these', async () => {
    const model = await load({ layer: [2, 5], ratio: [0.5, 0.5] });
    const inputs = await conversation.inputs([message('count-all', 1)]);
    const all = inputs.input_ids.dims[1] ?? 0;
    await model.generate({ ...inputs, max_new_tokens: 1 });
    const [none, some, few] = [all, all - 72, all - 108];
    expect(model.fastv.last?.layerTokens).toEqual(
      Array.from({ length: 10 }, (_, layer) => (layer < 2 ? none : layer < 5 ? some : few)),
    );
    const cost = (n: number): number => 4 * n * 256 ** 2 + 2 * n ** 2 * 256 + 2 * n * 256 * 704;
    const config = JSON.parse(readFileSync(join(EMBEDDED_MODEL, 'config.json'), 'utf8')) as {
      text_config: { hidden_size: number; intermediate_size: number };
    };
    expect(config.text_config).toMatchObject({ hidden_size: 256, intermediate_size: 704 });
    const ratio = (2 * cost(none) + 3 * cost(some) + 5 * cost(few)) / (10 * cost(none));
    expect(model.fastv.last?.flopsRatio).toBeCloseTo(ratio, 10);
    await model.dispose();
  });
});

describe('a listener that fails', () => {
  it('ends no load and no generation', async () => {
    const inputs = await conversation.inputs([message('color', 2)]);
    const expected = await tokens(pruned, inputs);
    const console_ = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    try {
      const kinds: WarningKind[] = [];
      const failing = (): never => {
        throw new Error('of the listener');
      };
      for (const onPrefill of [failing, () => Promise.reject(new Error('of the listener'))]) {
        const model = await load({
          onPrefill,
          onWarning: (_: string, kind: WarningKind) => kinds.push(kind),
        });
        expect(await tokens(model, inputs)).toEqual(expected);
        await model.dispose();
      }
      expect(kinds.filter((kind) => kind === 'listener')).toHaveLength(2);
      const model = await load({ onWarning: failing });
      expect(await tokens(model, inputs)).toEqual(expected);
      await model.dispose();
      expect(console_.mock.calls).toEqual([['fastv: onWarning failed: of the listener']]);
    } finally {
      console_.mockRestore();
    }
  });
});

describe('a signal', () => {
  it('ends a generation between two tokens', async () => {
    const inputs = await conversation.inputs([message('caption', 3)]);
    const stop = new AbortController();
    const reason = new Error('enough');
    const call = pruned.fastv.call({ signal: stop.signal });
    const streamer = new TextStreamer(conversation.tokenizer, {
      skip_prompt: true,
      token_callback_function: () => {
        stop.abort(reason);
      },
    });
    await expect(pruned.generate({ ...inputs, max_new_tokens: 20, streamer, fastv: call })).rejects.toBe(
      reason,
    );
    expect(call.decodeSteps).toBe(0);
    await expect(pruned.generate({ ...inputs, fastv: { signal: stop.signal } })).rejects.toBe(reason);
  });

  it('ends a load', async () => {
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    await expect(load({ signal: stop.signal })).rejects.toThrow('enough');
    const later = new AbortController();
    const loading = load({ signal: later.signal });
    later.abort(new Error('too slow'));
    await expect(loading).rejects.toThrow('too slow');
  });
});

describe('a prompt', () => {
  it('of more tokens than the model has positions is refused before work, with the numbers', async () => {
    const console_ = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      const inputs = await conversation.inputs([{ role: 'user', text: 'what is this '.repeat(1000) }]);
      await expect(pruned.generate({ ...inputs, max_new_tokens: 1 })).rejects.toMatchObject({
        code: 'invalid-input',
        message: expect.stringMatching(
          /^the prompt has \d{4} tokens, and the model has room for 2048$/u,
        ) as string,
      });
      expect(console_).not.toHaveBeenCalled();
    } finally {
      console_.mockRestore();
    }
  });

  it('that fills the positions is answered until they end', async () => {
    const inputs = await conversation.inputs([{ role: 'user', text: 'what is this '.repeat(300) }]);
    const length = inputs.input_ids.dims[1] ?? 0;
    const room = 2048 - length;
    expect(room).toBeGreaterThan(0);
    const ids = new BigInt64Array(2046).fill(5n);
    const mask = new BigInt64Array(2046).fill(1n);
    const { Tensor: HfTensor } = await import('@huggingface/transformers');
    const sequences = (await pruned.generate({
      input_ids: new HfTensor('int64', ids, [1, 2046]),
      attention_mask: new HfTensor('int64', mask, [1, 2046]),
      max_new_tokens: 50,
      min_new_tokens: 50,
    })) as Tensor;
    // the last token that is generated has no position any more, but nothing has to look at it
    expect(sequences.dims).toEqual([1, 2049]);
  });

  it('with an image token, but no image, is not pruned', async () => {
    const { Tensor: HfTensor } = await import('@huggingface/transformers');
    const ids = BigInt64Array.from([1, 5, IMAGE_TOKEN, IMAGE_TOKEN, 7, 8], BigInt);
    const inputs = {
      input_ids: new HfTensor('int64', ids, [1, 6]),
      attention_mask: new HfTensor('int64', new BigInt64Array(6).fill(1n), [1, 6]),
    } as unknown as ModelInputs;
    expect(await tokens(pruned, inputs, { fastv: { ratio: 1 } })).toEqual(await tokens(original, inputs));
    expect(pruned.fastv.last?.rows[0]).toMatchObject({ imageTokens: 0, images: [] });
    expect(pruned.fastv.last?.rows[0]?.keptIndices).toHaveLength(6);
  });
});

describe('an image token that the model generates', () => {
  it.each([0, 0.5, 1])('is a token as any other, at R = %d', async (ratio) => {
    const inputs = await conversation.inputs([message('color', 2)]);
    const start = inputs.input_ids.dims[1] ?? 0;
    // at the second step the model is made to say the image token
    const logits_processor = [
      (rows: bigint[][], logits: Tensor): Tensor => {
        if (rows[0]?.length === start + 1) (logits.data as Float32Array)[IMAGE_TOKEN] = 1e4;
        return logits;
      },
    ];
    const options = { min_new_tokens: 6, max_new_tokens: 6, logits_processor };
    const [said] = await tokens(pruned, inputs, { ...options, fastv: { ratio } });
    expect(said?.[1]).toBe(IMAGE_TOKEN);
    if (ratio === 0) expect([said]).toEqual(await tokens(original, inputs, options));
  });
});

describe('rows padded on the left', () => {
  it('are warned of, once, where the decoder has no position_ids', async () => {
    const kinds: WarningKind[] = [];
    const folder = await mkdtemp(join(tmpdir(), 'fastv-counting-'));
    await writeCountingModel(folder);
    const model = await load({ onWarning: (_: string, kind: WarningKind) => kinds.push(kind) }, folder);
    const rows = (['existence', 'count-class'] as const).map((family, i) => [message(family, i)]);
    const inputs = await conversation.batch(rows);
    expect(Array.from(inputs.attention_mask.data as BigInt64Array)).toContain(0n);
    await tokens(model, inputs);
    await tokens(model, inputs);
    await tokens(model, await conversation.inputs(rows[0] ?? []));
    expect(kinds.filter((kind) => kind === 'left-padding')).toHaveLength(1);
    await model.dispose();
    await rm(folder, { recursive: true });
  });
});

describe('an error of ONNX Runtime', () => {
  it('while running is typed, and nobody prints the tensors', async () => {
    const model = await load({});
    const inputs = await conversation.inputs([message('color', 2)]);
    const pixels = inputs['pixel_values'] as Tensor;
    const console_ = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      const { Tensor: HfTensor } = await import('@huggingface/transformers');
      const [, channels = 3] = pixels.dims;
      const small = new HfTensor('float32', new Float32Array(channels * 4), [1, channels, 2, 2]);
      await expect(model.generate({ ...inputs, pixel_values: small })).rejects.toMatchObject({
        code: 'inference',
        message: expect.stringMatching(/^ONNX Runtime failed: /u) as string,
      });
      expect(console_).not.toHaveBeenCalled();
    } finally {
      console_.mockRestore();
      await model.dispose();
    }
  });
});

describe('the rewritten decoder’s file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastv-plug-'));
    await mkdir(join(folder, 'onnx'));
    for (const name of await readdir(EMBEDDED_MODEL)) {
      if (name.endsWith('.json')) await cp(join(EMBEDDED_MODEL, name), join(folder, name));
    }
    for (const name of ['decoder_model_merged', 'embed_tokens', 'vision_encoder']) {
      await cp(join(EMBEDDED_MODEL, 'onnx', `${name}.onnx`), join(folder, 'onnx', `${name}.onnx`));
    }
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });
  const rewritten = async (): Promise<string[]> =>
    (await readdir(join(folder, 'onnx'))).filter((name) => name.includes('fastv-'));
  const loadFrom = (options: Record<string, unknown>): Promise<Pruned> =>
    fastv(AutoModelForImageTextToText as never, folder, {
      dtype: 'fp32',
      onWarning: () => undefined,
      ...options,
    });

  it('is made once for a cut, is small, and gives the same tokens', async () => {
    const inputs = await conversation.inputs([message('text', 10)]);
    const expected = await tokens(pruned, inputs);
    const first = await loadFrom({ layer: 2 });
    expect(await tokens(first, inputs)).toEqual(expected);
    const [name = ''] = await rewritten();
    const path = join(folder, 'onnx', name);
    expect((await stat(path)).size).toBeLessThan(1e6);
    await utimes(path, 1, 1);
    const second = await loadFrom({ layer: 2, ratio: 0.9 });
    expect(await tokens(second, inputs, { fastv: { ratio: 0.5 } })).toEqual(expected);
    expect((await stat(path)).mtimeMs).toBe(1000);
    const third = await loadFrom({ layer: 3 });
    expect(await rewritten()).toHaveLength(2);
    await Promise.all([first, second, third].map((model) => model.dispose()));
  });

  it('stays in memory, with a warning, where it cannot be written', async () => {
    const inputs = await conversation.inputs([message('text', 10)]);
    const expected = await tokens(pruned, inputs);
    // a folder of that name stands in the way
    const names = await rewritten();
    for (const name of names) {
      await rm(join(folder, 'onnx', name));
      await mkdir(join(folder, 'onnx', name, 'x'), { recursive: true });
    }
    const warnings: string[] = [];
    const model = await loadFrom({
      layer: 2,
      onWarning: (warning: string, kind: WarningKind) => warnings.push(`${kind}: ${warning}`),
    });
    expect(warnings).toEqual([
      expect.stringMatching(/^not-cached: .*cannot be kept/u),
      expect.stringMatching(/^slow-weights: /u),
    ]);
    expect(await tokens(model, inputs)).toEqual(expected);
    expect(await rewritten()).toEqual(names);
    await model.dispose();
  });

  it('with slow weights comes with one warning a load, made or found; with fast ones with none', async () => {
    const name = 'decoder_model_merged_quantized.onnx';
    await cp(join(EMBEDDED_MODEL, 'onnx', name), join(folder, 'onnx', name));
    const warnings: [string, WarningKind][] = [];
    const onWarning = (...warning: [string, WarningKind]): number => warnings.push(warning);
    const counts: number[] = [];
    for (const decoder_model_merged of ['fp32', 'fp32', 'q8']) {
      const dtype = { decoder_model_merged, embed_tokens: 'fp32', vision_encoder: 'fp32' };
      const model = await loadFrom({ layer: 4, dtype, onWarning });
      await model.dispose();
      counts.push(warnings.length);
    }
    expect(counts).toEqual([1, 2, 2]);
    for (const [text, kind] of warnings) {
      expect(kind).toBe('slow-weights');
      expect(text).toMatch(/float32, which is slow on the CPU: .*fastv quantize .*dtype 'q8'/u);
    }
  });

  it('warns on the console unless told otherwise', async () => {
    const console_ = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    try {
      await (await loadFrom({ layer: 4, onWarning: undefined })).dispose();
      expect(console_.mock.calls).toEqual([[expect.stringMatching(/^fastv: .*float32/u)]]);
      await (await loadFrom({ layer: 4, onWarning: () => undefined })).dispose();
      expect(console_).toHaveBeenCalledTimes(1);
    } finally {
      console_.mockRestore();
    }
  });

  it('is not needed where the model is a link into another folder', async () => {
    const links = await mkdtemp(join(tmpdir(), 'fastv-links-'));
    await cp(folder, links, { recursive: true, filter: (path) => !path.includes('merged') });
    await symlink(
      join(folder, 'onnx', 'decoder_model_merged.onnx'),
      join(links, 'onnx', 'decoder_model_merged.onnx'),
    );
    const model: Pruned = await fastv(AutoModelForImageTextToText as never, links, {
      dtype: 'fp32',
      layer: 2,
      onWarning: () => undefined,
    });
    const inputs = await conversation.inputs([message('text', 10)]);
    expect(await tokens(model, inputs)).toEqual(await tokens(pruned, inputs));
    await model.dispose();
    await rm(links, { recursive: true });
  });

  it('of a decoder that cannot be pruned is refused, or the original runs when asked for', async () => {
    const file = join(folder, 'onnx', 'decoder_model_merged.onnx');
    // a valid decoder that the rewrite cannot understand: its caches are renamed
    const model = decodeModel(readFileSync(file));
    const broken = join(folder, 'onnx', 'decoder_model_merged_fp16.onnx');
    for (const output of model.graph.output) {
      if (output.name.startsWith('present.1.')) output.name = output.name.replace('present.', 'gegenwart.');
    }
    for (const node of model.graph.node) {
      node.output = node.output.map((name) =>
        name.startsWith('present.1.') ? name.replace('present.', 'gegenwart.') : name,
      );
      node.input = node.input.map((name) =>
        name.startsWith('present.1.') ? name.replace('present.', 'gegenwart.') : name,
      );
    }
    await writeFile(broken, concatChunks(encodeModel(model)));
    const dtype = { decoder_model_merged: 'fp16', embed_tokens: 'fp32', vision_encoder: 'fp32' };
    await expect(loadFrom({ dtype })).rejects.toMatchObject({ code: 'unsupported-decoder' });
    const warnings: string[] = [];
    const loaded = await loadFrom({
      dtype,
      onUnsupported: 'warn',
      onWarning: (_: string, kind: WarningKind) => warnings.push(kind),
    });
    expect(warnings).toEqual(['unsupported']);
    expect(loaded.fastv).toMatchObject({ active: false, reason: { code: 'unsupported-decoder' } });
    await loaded.dispose();
  });

  it('of a K that the decoder has not is refused', async () => {
    await expect(loadFrom({ layer: 10 })).rejects.toMatchObject({ code: 'invalid-option' });
  });
});
