// Built models in Transformers.js: its processors and its generate, with the plug and without, say what Hugging Face's say.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RawImage, Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../src/build/build.js';
import { openModel, type OpenedModel } from '../src/runtime/model.js';
import type { Message, RgbImage } from '../src/runtime/conversation.js';
import { farthest, FIXTURES, goldenArray, goldenCases, type GoldenCase } from './vlm-golden.js';

/** Families, and their cases with pictures. */
const FAMILIES: readonly { readonly name: string; readonly cases: readonly string[] }[] = [
  { name: 'llava', cases: ['exact', 'resize', 'two'] },
  { name: 'llava-llama3', cases: ['exact', 'resize'] },
  { name: 'qwen2_vl', cases: ['exact', 'resize'] },
  { name: 'qwen2_5_vl', cases: ['exact', 'resize'] },
  { name: 'qwen3_vl', cases: ['exact', 'resize'] },
  { name: 'gemma3', cases: ['exact', 'resize'] },
  { name: 'smolvlm', cases: ['exact', 'resize'] },
];

interface Rotary {
  get_rope_index(...inputs: unknown[]): [Tensor, Tensor];
}

const only = process.env['FASTV_VLM_FAMILY'];

describe.each(FAMILIES.filter(({ name }) => only === undefined || name === only))(
  '$name',
  ({ name, cases }) => {
    const folder = mkdtempSync(join(tmpdir(), 'fastv-build-'));
    const output = join(folder, name);
    let plain: OpenedModel;
    let pruning: OpenedModel;
    beforeAll(async () => {
      await build(join(FIXTURES, name), output);
      plain = await openModel(output);
      const quiet = { cache: false, onWarning: () => undefined };
      pruning = await openModel(output, { fastv: { ...quiet, layer: 2, ratio: 0.5 } });
    });
    afterAll(async () => {
      await plain.close();
      await pruning.close();
      rmSync(folder, { recursive: true });
    });

    const goldens = goldenCases(name).filter((golden) => cases.includes(golden.name));
    describe.each(goldens.map((golden) => ({ golden, case: golden.name })))('case $case', ({ golden }) => {
      it('makes the same inputs', async () => {
        const inputs = await plain.conversation.inputs(await messagesOf(name, golden));
        expect(Array.from(inputs.input_ids.data as BigInt64Array, Number)).toEqual(golden.input_ids);
        const pixels = inputs['pixel_values'] as { data: Float32Array };
        const farthestPixel = farthest(pixels.data, goldenArray(name, golden, 'pixel_values') ?? []);
        if (process.env['FASTV_VLM_PRINT'] !== undefined) console.log(name, golden.name, farthestPixel);
        // sharp's kernels are not PIL's: docs/build.md
        if (golden.name === 'exact') expect(farthestPixel).toBeLessThan(1e-5);
      });

      it.runIf(golden['image_grid_thw'] !== undefined)('counts the same positions', async () => {
        const inputs = await plain.conversation.inputs(await messagesOf(name, golden));
        const { get_rope_index } = plain.model as unknown as Rotary;
        const [positions] = get_rope_index.call(
          plain.model,
          inputs.input_ids,
          inputs['image_grid_thw'],
          undefined,
          inputs.attention_mask,
        );
        expect(Array.from(positions.data as BigInt64Array, Number)).toEqual(golden.position_ids.flat());
      });

      it('generates the same tokens', async () => {
        expect(await generate(plain, name, golden)).toEqual([...golden.decode_tokens, golden.next_token]);
      });

      it('generates the same tokens as FastV', async () => {
        const pruned = golden.fastv.find(({ K, R }) => K === 2 && R === 0.5);
        expect(await generate(pruning, name, golden)).toEqual([
          ...(pruned?.decode_tokens ?? []),
          pruned?.next_token,
        ]);
      });
    });
  },
);

async function generate(model: OpenedModel, family: string, golden: GoldenCase): Promise<number[]> {
  const inputs = await model.conversation.inputs(await messagesOf(family, golden));
  const sequences = (await model.model.generate({
    ...inputs,
    ...goldenPixels(family, golden),
    max_new_tokens: 4,
    do_sample: false,
    // Qwen's own is 1.05; the goldens are the largest logits
    repetition_penalty: 1,
  })) as {
    data: BigInt64Array;
  };
  return Array.from(sequences.data, Number).slice(golden.input_ids.length);
}

/** Pixels as Hugging Face's image processor makes them, so that resampling makes no difference. */
function goldenPixels(family: string, golden: GoldenCase): Record<string, Tensor> {
  const values = goldenArray(family, golden, 'pixel_values') ?? new Float32Array();
  return { pixel_values: new Tensor('float32', values, [...(golden.arrays['pixel_values']?.shape ?? [])]) };
}

/** The messages of a case, with its pictures. */
async function messagesOf(family: string, golden: GoldenCase): Promise<Message[]> {
  const pictures: RgbImage[] = [];
  for (const file of golden.images ?? []) {
    const image = (await RawImage.read(join(FIXTURES, family, file))).rgb();
    pictures.push({ data: image.data as Uint8ClampedArray, width: image.width, height: image.height });
  }
  return (golden.messages ?? []).map(({ role, content }) => {
    const pieces = content as readonly { readonly type: string; readonly text?: string }[];
    const images = pieces.filter(({ type }) => type === 'image').map(() => pictures.shift());
    return {
      role: role as Message['role'],
      text: pieces.map(({ text = '' }) => text).join(''),
      images: images.filter((image) => image !== undefined),
    };
  });
}
