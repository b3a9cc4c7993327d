// Built models in Transformers.js: its processors and its generate, with the plug and without, say what Hugging Face's say.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RawImage, Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../src/build/build.js';
import type { PartDtype } from '../src/build/part-names.js';
import { openModel, type OpenedModel } from '../src/runtime/model.js';
import type { Message, RgbImage } from '../src/runtime/conversation.js';
import { farthest, FIXTURES, goldenArray, goldenCases, type GoldenCase } from './vlm-golden.js';

/** Families; the cases with videos of those that Transformers.js gives no videos to are not among theirs. */
const FAMILIES: readonly { readonly name: string; readonly cases: readonly string[] }[] = [
  { name: 'llava', cases: ['exact', 'resize', 'two'] },
  { name: 'llava-llama3', cases: ['exact', 'resize'] },
  { name: 'llava_next', cases: ['exact', 'resize'] },
  { name: 'llava_onevision', cases: ['exact', 'resize'] },
  { name: 'video_llava', cases: ['exact', 'resize', 'video', 'video_resize'] },
  { name: 'qwen-vl-chat', cases: ['exact', 'resize', 'history'] },
  { name: 'qwen2_vl', cases: ['exact', 'resize', 'two'] },
  { name: 'qwen2_5_vl', cases: ['exact', 'resize', 'two'] },
  { name: 'qwen3_vl', cases: ['exact', 'resize', 'two'] },
  { name: 'gemma3', cases: ['exact', 'resize'] },
  { name: 'paligemma', cases: ['exact', 'resize'] },
  { name: 'mistral3', cases: ['exact', 'resize'] },
  { name: 'internvl', cases: ['exact', 'resize'] },
  { name: 'smolvlm', cases: ['exact', 'resize'] },
];

/** Hugging Face's names of pixels. */
const PIXELS = ['pixel_values', 'pixel_values_images', 'pixel_values_videos'];

interface Rotary {
  get_rope_index(...inputs: unknown[]): [Tensor, Tensor];
}

const only = process.env['FASTV_VLM_FAMILY'];
/** Any but fp32 is for looking, by hand: rounding may decide a token. */
const dtype = (process.env['FASTV_VLM_DTYPE'] ?? 'fp32') as PartDtype;

describe.each(FAMILIES.filter(({ name }) => only === undefined || name === only))(
  '$name',
  ({ name, cases }) => {
    const folder = mkdtempSync(join(tmpdir(), 'fastv-build-'));
    const output = join(folder, name);
    let plain: OpenedModel;
    const pruning = new Map<number, OpenedModel>();
    beforeAll(async () => {
      await build(join(FIXTURES, name), output, { dtype });
      plain = await openModel(output);
      const quiet = { cache: false, onWarning: () => undefined };
      for (const layer of [1, 2]) pruning.set(layer, await openModel(output, { fastv: { ...quiet, layer } }));
    });
    afterAll(async () => {
      for (const model of [plain, ...pruning.values()]) await model.close();
      rmSync(folder, { recursive: true });
    });

    const goldens = goldenCases(name).filter((golden) => cases.includes(golden.name));
    describe.each(goldens.map((golden) => ({ golden, case: golden.name })))('case $case', ({ golden }) => {
      it('makes the same inputs', async () => {
        const inputs = await plain.conversation.inputs(await messagesOf(name, golden));
        expect(Array.from(inputs.input_ids.data as BigInt64Array, Number)).toEqual(idsOf(golden));
        for (const key of PIXELS) {
          const wanted = goldenArray(name, golden, key);
          if (wanted === undefined) continue;
          const own = inputs[key === 'pixel_values_images' ? 'pixel_values' : key] as { data: Float32Array };
          // the goldens' videos were resized by torchvision, which rounds otherwise than Pillow: one step of 255
          const torchvision = golden.name === 'video_resize';
          expect(farthest(own.data, wanted)).toBeLessThan(torchvision ? 1.01 / 255 / 0.26 : 1e-5);
        }
      });

      it.runIf(golden['image_grid_thw'] !== undefined)('counts the same positions', async () => {
        const inputs = await plain.conversation.inputs(await messagesOf(name, golden));
        const rotary = plain.model as unknown as Rotary;
        const { input_ids, attention_mask } = inputs;
        const [positions] = rotary.get_rope_index(
          input_ids,
          inputs['image_grid_thw'],
          undefined,
          attention_mask,
        );
        expect(Array.from(positions.data as BigInt64Array, Number)).toEqual(golden.position_ids.flat());
      });

      it('generates the same tokens', async () => {
        const { tokens } = await generate(plain, name, golden);
        expect(tokens).toEqual([...golden.decode_tokens, golden.next_token]);
      });

      it.runIf(golden['history'] !== undefined)('takes a path between the tags for a picture', async () => {
        const ids = BigInt64Array.from(golden.input_ids, BigInt);
        const given = { input_ids: new Tensor('int64', ids, [1, ids.length]) };
        const { tokens } = await generate(plain, name, golden, undefined, given);
        expect(tokens).toEqual([...golden.decode_tokens, golden.next_token]);
        expect(Array.from(ids, Number)).toEqual(golden.input_ids);
      });

      it.each(golden.fastv.map((pruned) => ({ pruned, K: pruned.K, R: pruned.R })))(
        'generates the same tokens as FastV at K = $K, R = $R',
        async ({ pruned, K, R }) => {
          const model = pruning.get(K) ?? plain;
          const { tokens, kept } = await generate(model, name, golden, R);
          expect(kept).toEqual(pruned.kept_indices);
          expect(tokens).toEqual([...pruned.decode_tokens, pruned.next_token]);
        },
      );
    });
  },
);

async function generate(
  model: OpenedModel,
  family: string,
  golden: GoldenCase,
  ratio?: number,
  given: Record<string, unknown> = {},
): Promise<{ tokens: number[]; kept: readonly number[] | undefined }> {
  const inputs = await model.conversation.inputs(await messagesOf(family, golden));
  const call = model.call(ratio === undefined ? {} : { ratio });
  const sequences = (await model.model.generate({
    ...inputs,
    ...given,
    max_new_tokens: 4,
    do_sample: false,
    // Qwen's own is 1.05; the goldens are the largest logits
    repetition_penalty: 1,
    // the goldens go on behind an answer's end
    eos_token_id: [],
    fastv: call,
  })) as { data: BigInt64Array };
  return {
    tokens: Array.from(sequences.data, Number).slice(golden.input_ids.length),
    kept: call.report?.rows[0]?.keptIndices,
  };
}

/** The ids of a case; Qwen-VL-Chat's own spell a picture's path between its tags, for which ours has its padding. */
function idsOf(golden: GoldenCase): number[] {
  if (golden['history'] === undefined) return [...golden.input_ids];
  return golden.input_ids.map((id, at) => (golden.image_token_mask[at] === 1 ? 516 : id));
}

/** The messages of a case, with its pictures. */
async function messagesOf(family: string, golden: GoldenCase): Promise<Message[]> {
  const pictures: RgbImage[] = [];
  for (const file of golden.images ?? golden.video_frames ?? []) {
    const image = (await RawImage.read(join(FIXTURES, family, file))).rgb();
    pictures.push({ data: image.data as Uint8ClampedArray, width: image.width, height: image.height });
  }
  const { history, query } = golden as { history?: [string, string][]; query?: string };
  if (history !== undefined) {
    const text = query?.split('</img>\n')[1] ?? '';
    return [
      ...history.flatMap(([question, answer]): Message[] => [
        { role: 'user', text: question },
        { role: 'assistant', text: answer },
      ]),
      { role: 'user', text, images: pictures },
    ];
  }
  return (golden.messages ?? []).map(({ role, content }) => {
    const pieces = content as readonly { readonly type: string; readonly text?: string }[];
    const video = pieces.some(({ type }) => type === 'video');
    const count = video ? pictures.length : pieces.filter(({ type }) => type === 'image').length;
    return {
      role: role as Message['role'],
      text: pieces.map(({ text = '' }) => text).join(''),
      images: pictures.splice(0, count),
      video,
    };
  });
}
