import { Tensor } from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { gridsOf, imageSpans, imageTokenIds, imageTokenMask, runsAreImages } from './image-tokens.js';
import type { ForwardInputs, HfTensor } from './transformers.js';

const ints = (values: number[], dims: number[]): HfTensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);

/** 1 at '#', 0 elsewhere. */
const mask = (drawing: string): Uint8Array => Uint8Array.from(drawing, (c) => (c === '#' ? 1 : 0));

describe('imageTokenIds', () => {
  it('takes every name that families use, images and videos', () => {
    expect([...imageTokenIds({ image_token_id: 7, video_token_id: 8 })]).toEqual([7n, 8n]);
    expect([...imageTokenIds({ image_token_index: 3, image_token_id: 3 })]).toEqual([3n]);
  });
  it('refuses a configuration without one', () => {
    expect(() => imageTokenIds({ image_token_id: -200 })).toThrow(/names no image token/u);
  });
});

describe('imageTokenMask', () => {
  it('is 1 at image tokens', () => {
    expect([...imageTokenMask(ints([1, 7, 7, 2, 8, 7], [2, 3]), new Set([7n, 8n]))]).toEqual([
      0, 1, 1, 0, 1, 1,
    ]);
  });
});

describe('imageSpans', () => {
  it('takes a run for a square image', () => {
    expect(imageSpans(mask('..####..'), {})).toEqual([{ positions: [2, 3, 4, 5], rows: 2, columns: 2 }]);
  });
  it('splits a run into images of the size that the configuration says', () => {
    const spans = imageSpans(mask('.########.'), { image_seq_length: 4 });
    expect(spans.map(({ positions, rows }) => [positions[0], positions.length, rows])).toEqual([
      [1, 4, 2],
      [5, 4, 2],
    ]);
  });
  it('computes that size for tiles (Idefics3, SmolVLM)', () => {
    const config = { scale_factor: 2, vision_config: { image_size: 32, patch_size: 8 } };
    expect(imageSpans(mask('.####|####|'), config).map(({ rows, columns }) => [rows, columns])).toEqual([
      [2, 2],
      [2, 2],
    ]);
  });
  it('takes sizes given with the call first (Qwen-VL), frame by frame', () => {
    const config = { vision_config: { spatial_merge_size: 2 } };
    const grids = gridsOf({ image_grid_thw: ints([1, 4, 6, 2, 2, 4], [2, 3]) }, config);
    expect(grids).toEqual([
      [2, 3],
      [1, 2],
      [1, 2],
    ]);
    expect(imageSpans(mask('.######.####.'), config, grids)).toMatchObject([
      { rows: 2, columns: 3 },
      { rows: 1, columns: 2 },
      { rows: 1, columns: 2 },
    ]);
    expect(grids).toEqual([]);
  });
  it('takes sizes in the order of the tokens: a video before an image', () => {
    const config = { image_token_id: 7, video_token_id: 8, vision_config: { spatial_merge_size: 1 } };
    const inputs = {
      input_ids: ints([1, ...Array<number>(12).fill(8), 2, ...Array<number>(16).fill(7), 1], [1, 31]),
      image_grid_thw: ints([1, 4, 4], [1, 3]),
      video_grid_thw: ints([2, 2, 3], [1, 3]),
    };
    const grids = gridsOf(inputs, config);
    const spans = imageSpans(imageTokenMask(inputs.input_ids, new Set([7n, 8n])), config, grids);
    expect(spans.map(({ rows, columns }) => [rows, columns])).toEqual([
      [2, 3],
      [2, 3],
      [4, 4],
    ]);
    expect(grids).toEqual([]);
  });
  it('does not take two images for rows of one', () => {
    // their sizes are known
    const known = imageSpans(mask('.######|######.'), {}, [
      [2, 3],
      [2, 3],
    ]);
    expect(known).toMatchObject([
      { rows: 2, columns: 3 },
      { rows: 2, columns: 3 },
    ]);
    // their size is the configuration's
    expect(imageSpans(mask('.######|######.'), { image_seq_length: 6 })).toHaveLength(2);
    // there are as many pictures as runs
    const two = mask('.######|######.');
    const pictures = (n: number): ForwardInputs => ({
      pixel_values: ints(Array<number>(n).fill(0), [n, 1, 1, 1]),
    });
    expect(runsAreImages(two, two.length, pictures(2))).toBe(true);
    expect(runsAreImages(two, two.length, pictures(1))).toBe(false);
    expect(imageSpans(two, {}, [], true)).toHaveLength(2);
    // at twice its side, an image has as many tokens as four of the configuration's
    const [large] = imageSpans(mask('.################.'), { image_seq_length: 4 }, [], true);
    expect(large).toMatchObject({ rows: 4, columns: 4 });
  });
  it('joins rows that a token separates (Mistral3)', () => {
    expect(imageSpans(mask('.###|###|.'), {})).toEqual([
      { positions: [1, 2, 3, 5, 6, 7], rows: 2, columns: 3 },
    ]);
  });
  it('makes a line of what it cannot know, and nothing of nothing', () => {
    expect(imageSpans(mask('#####'), {})).toMatchObject([{ rows: 1, columns: 5 }]);
    expect(imageSpans(mask('....'), {})).toEqual([]);
  });
});
