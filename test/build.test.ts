// Every family that can be built, against what Hugging Face's own code computes from the same checkpoint.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../src/build/build.js';
import {
  BuiltModel,
  decode,
  farthest,
  FIXTURES,
  float32,
  goldenArray,
  goldenCases,
  int64,
  type GoldenCase,
} from './vlm-golden.js';

/** fp32 of the same numbers in another order of summation. */
const TOLERANCE = 1e-4;

/** What goes into a family's vision encoder, from a golden case: one run for pictures, one for video. */
type VisionFeeds = (family: string, golden: GoldenCase) => Record<string, ort.Tensor>[];

const pixels: VisionFeeds = (family, golden) => {
  const values = goldenArray(family, golden, 'pixel_values');
  return values === undefined
    ? []
    : [{ pixel_values: float32(values, golden.arrays['pixel_values']?.shape ?? []) }];
};

/** Qwen-VL: patches of any number, with the grids that they come from. */
const patches =
  (gridName: string): VisionFeeds =>
  (family, golden) =>
    ['image', 'video'].flatMap((kind) => {
      const key = kind === 'image' ? 'pixel_values' : 'pixel_values_videos';
      const values = goldenArray(family, golden, key);
      const grid = golden[`${kind}_grid_thw`] as number[][] | undefined;
      if (values === undefined || grid === undefined) return [];
      return [
        {
          pixel_values: float32(values, golden.arrays[key]?.shape ?? []),
          [gridName]: int64(grid.flat(), [grid.length, 3]),
        },
      ];
    });

/** Tiles with masks of what is picture: all of them whole. */
const tiles: VisionFeeds = (family, golden) =>
  pixels(family, golden).map((feeds) => {
    const [rows = 0, count = 0, , height = 0, width = 0] = feeds['pixel_values']?.dims ?? [];
    const mask = new Uint8Array(rows * count * height * width).fill(1);
    return { ...feeds, pixel_attention_mask: new ort.Tensor('bool', mask, [rows, count, height, width]) };
  });

/** Tiles of one picture with its size. */
const sized: VisionFeeds = (family, golden) =>
  pixels(family, golden).map((feeds) => ({
    ...feeds,
    image_sizes: int64((golden['image_sizes'] as number[][]).flat(), [1, 2]),
  }));

/** Video-LLaVA: pictures and frames have encoders of their own. */
const frames: VisionFeeds = (family, golden) =>
  (['images', 'videos'] as const).flatMap((kind) => {
    const values = goldenArray(family, golden, `pixel_values_${kind}`);
    const shape = golden.arrays[`pixel_values_${kind}`]?.shape.slice(-4) ?? [];
    return values === undefined ? [] : [{ pixel_values: float32(values, shape) }];
  });

const FAMILIES: readonly { readonly name: string; readonly vision: VisionFeeds }[] = [
  { name: 'llava', vision: pixels },
  { name: 'llava-llama3', vision: pixels },
  { name: 'llava_next', vision: sized },
  { name: 'llava_onevision', vision: sized },
  { name: 'smolvlm', vision: tiles },
  { name: 'video_llava', vision: frames },
  { name: 'gemma3', vision: pixels },
  { name: 'paligemma', vision: pixels },
  { name: 'mistral3', vision: pixels },
  { name: 'internvl', vision: pixels },
  { name: 'qwen-vl-chat', vision: pixels },
  { name: 'qwen2_vl', vision: patches('grid_thw') },
  { name: 'qwen2_5_vl', vision: patches('image_grid_thw') },
  { name: 'qwen3_vl', vision: patches('image_grid_thw') },
];

/** The part that encodes a case's pictures. */
const encoderOf = (golden: GoldenCase): string =>
  golden.arrays['pixel_values_videos'] !== undefined && golden['video_grid_thw'] === undefined
    ? 'video_encoder'
    : 'vision_encoder';

const only = process.env['FASTV_VLM_FAMILY'];

describe.each(FAMILIES.filter(({ name }) => only === undefined || name === only))(
  '$name, built',
  ({ name, vision }) => {
    const folder = mkdtempSync(join(tmpdir(), 'fastv-build-'));
    const output = join(folder, name);
    const model = new BuiltModel(output);
    let unpruned: ort.InferenceSession;
    beforeAll(async () => {
      await build(join(FIXTURES, name), output);
      unpruned = await model.decoder();
    });
    afterAll(async () => {
      await unpruned.release();
      rmSync(folder, { recursive: true });
    });

    describe.each(goldenCases(name).map((golden) => ({ golden, name: golden.name })))(
      'case $name',
      ({ golden }) => {
        let embeds: ort.Tensor;
        let features: Float32Array;
        beforeAll(async () => {
          const runs = await Promise.all(
            vision(name, golden).map((feeds) => model.run(encoderOf(golden), feeds)),
          );
          features = Float32Array.from(
            runs.flatMap((run) => [...(run['image_features']?.data as Float32Array)]),
          );
          embeds = await model.embed(golden.input_ids);
          const width = embeds.dims[2] ?? 0;
          const merged = embeds.data as Float32Array;
          let row = 0;
          golden.image_token_mask.forEach((image, at) => {
            if (image === 1) merged.set(features.subarray(row * width, ++row * width), at * width);
          });
        });
        const narrow = (values: Float32Array, hidden: number, width: number): Float32Array =>
          values.filter((_, i) => i % width < hidden);

        it('gives the image features and the merged embeddings', () => {
          const { inputs_embeds, image_features } = golden.arrays;
          const hidden = (inputs_embeds ?? image_features)?.shape.at(-1) ?? 0;
          const width = embeds.dims[2] ?? 0;
          const wantedFeatures = goldenArray(name, golden, 'image_features');
          if (wantedFeatures !== undefined) {
            expect(farthest(narrow(features, hidden, width), wantedFeatures)).toBeLessThan(TOLERANCE);
          }
          const wanted = goldenArray(name, golden, 'inputs_embeds') ?? [];
          if (wanted.length > 0) {
            expect(farthest(narrow(embeds.data as Float32Array, hidden, width), wanted)).toBeLessThan(
              TOLERANCE,
            );
          }
        });

        it('gives the logits of prefill and of decoding', async () => {
          const { logits } = await decode(model, unpruned, golden, embeds, { tokens: golden.decode_tokens });
          expect(farthest(logits[0] ?? [], goldenArray(name, golden, 'logits_prefill') ?? [])).toBeLessThan(
            TOLERANCE,
          );
          const steps = logits.slice(1).flatMap((step) => [...step]);
          expect(farthest(steps, goldenArray(name, golden, 'logits_decode') ?? [])).toBeLessThan(TOLERANCE);
        });

        it.each(golden.fastv.map((pruned) => ({ pruned, K: pruned.K, R: pruned.R })))(
          'prunes as FastV does at K = $K, R = $R',
          async ({ pruned }) => {
            const session = await model.decoder(pruned.K);
            const { decode_tokens: tokens, R: ratio } = pruned;
            const got = await decode(model, session, golden, embeds, { tokens, ratio });
            await session.release();
            expect(got.kept).toEqual(pruned.kept_indices);
            expect(got.cacheLengths).toEqual(pruned.cache_lengths_after_decode);
            const wanted = (what: string): Float32Array =>
              goldenArray(name, golden, `${pruned.prefix}.logits_${what}`) ?? new Float32Array();
            expect(farthest(got.logits[0] ?? [], wanted('prefill'))).toBeLessThan(TOLERANCE);
            const steps = got.logits.slice(1).flatMap((step) => [...step]);
            expect(farthest(steps, wanted('decode'))).toBeLessThan(TOLERANCE);
          },
        );
      },
    );
  },
);
