// Every family's own path through Transformers.js, on the embedded model's sessions under that family's configuration.
// What a family's published decoders look like inside is the rewrite's matter, and is tested there.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoModelForImageTextToText, Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCountingModel } from '../../test/counting-model.js';
import { Conversation, type ModelInputs } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { fastv } from './index.js';
import type { FastvHandle } from './plug.js';

const config = JSON.parse(readFileSync(join(EMBEDDED_MODEL, 'config.json'), 'utf8')) as Record<
  string,
  unknown
>;
const text = config['text_config'] as Record<string, unknown>;
const grid = (): Tensor => new Tensor('int64', [1n, 24n, 24n], [1, 3]);
const merged = {
  ...text,
  vision_config: { ...(config['vision_config'] as object), spatial_merge_size: 2 },
  image_seq_length: 0,
};

const FAMILIES: readonly {
  readonly type: string;
  readonly config?: Record<string, unknown>;
  readonly inputs?: () => Record<string, unknown>;
}[] = [
  { type: 'llava' },
  { type: 'llava_onevision' },
  // these two have the decoder's configuration elsewhere
  { type: 'llava_qwen2', config: { ...text } },
  { type: 'moondream1', config: { phi_config: text } },
  { type: 'idefics3', config: { scale_factor: 1, image_seq_length: undefined } },
  { type: 'smolvlm', config: { scale_factor: 1, image_seq_length: undefined } },
  { type: 'paligemma' },
  { type: 'gemma3', config: { mm_tokens_per_image: 144 } },
  { type: 'mistral3' },
  { type: 'lighton_ocr' },
  { type: 'lfm2_vl', inputs: () => ({ spatial_shapes: new Tensor('int64', [24n, 24n], [1, 2]) }) },
  { type: 'qwen2_vl', config: merged, inputs: () => ({ image_grid_thw: grid() }) },
  { type: 'qwen2_5_vl', config: merged, inputs: () => ({ image_grid_thw: grid() }) },
  { type: 'qwen3_vl', config: merged, inputs: () => ({ image_grid_thw: grid() }) },
  { type: 'qwen3_vl_moe', config: merged, inputs: () => ({ image_grid_thw: grid() }) },
  { type: 'glm_ocr', config: merged, inputs: () => ({ image_grid_thw: grid() }) },
];

interface Generates {
  readonly fastv: FastvHandle;
  encode_image(inputs: object): Promise<Tensor>;
  generate(options: object): Promise<unknown>;
  dispose(): Promise<unknown>;
}

describe('a model of the family', () => {
  let inputs: ModelInputs;
  let expected: { ids: bigint[]; kept: readonly number[] }[];
  // Qwen-VL's position_ids have three axes, the embedded model's two: here it counts positions itself.
  let folder = '';
  const run = async (
    family: (typeof FAMILIES)[number],
    newTokens: number,
  ): Promise<(typeof expected)[number]> => {
    const model: Generates = await fastv(AutoModelForImageTextToText as never, folder, {
      dtype: 'fp32',
      cache: false,
      onWarning: () => undefined,
      ratio: 0.75,
      config: { ...config, ...family.config, model_type: family.type, architectures: undefined },
    });
    // Qwen-VL's vision encoders give one row a token
    const encode = model.encode_image.bind(model);
    if (family.inputs !== undefined) {
      model.encode_image = async (given) => {
        const features = await encode(given);
        return features.view(-1, features.dims.at(-1) ?? 0);
      };
    }
    const sequences = (await model.generate({
      ...inputs,
      ...family.inputs?.(),
      max_new_tokens: newTokens,
    })) as Tensor;
    const [row] = model.fastv.last?.rows ?? [];
    expect(row?.images).toMatchObject([{ tokens: 144, rows: 12, columns: 12 }]);
    expect(row?.keptImageTokens).toBe(36);
    await model.dispose();
    return { ids: Array.from(sequences.data as BigInt64Array), kept: row?.keptIndices ?? [] };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fastv-families-'));
    await writeCountingModel(folder);
    const conversation = await Conversation.load(EMBEDDED_MODEL);
    const pixels = Uint8ClampedArray.from({ length: 96 * 96 * 3 }, (_, i) => (i * 37) % 251);
    const image = { data: pixels, width: 96, height: 96 };
    inputs = await conversation.inputs([{ role: 'user', text: 'What is this?', images: [image] }]);
    expected = [];
    for (const newTokens of [1, 4]) expected.push(await run({ type: 'llava' }, newTokens));
  });

  afterAll(() => rm(folder, { recursive: true }));

  it.each(FAMILIES)('$type is pruned', async (family) => {
    // Qwen-VL counts later positions from position_ids, which this decoder has not: the first token only
    const thw = family.inputs?.()['image_grid_thw'] !== undefined;
    expect(await run(family, thw ? 1 : 4)).toEqual(expected[thw ? 0 : 1]);
  });

  it('that has no image tokens is refused', async () => {
    const without = { ...config, image_token_id: undefined, image_token_index: undefined };
    await expect(
      fastv(AutoModelForImageTextToText as never, EMBEDDED_MODEL, {
        dtype: 'fp32',
        cache: false,
        onWarning: () => undefined,
        config: without,
      }),
    ).rejects.toMatchObject({ code: 'unsupported-decoder', where: 'config.json' });
  });
});
