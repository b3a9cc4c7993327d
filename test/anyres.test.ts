// Pictures of any resolution: the tokens that the processor counts are those that the built encoder gives, and several
// pictures are encoded as each by itself.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../src/build/build.js';
import type { RgbImage } from '../src/runtime/conversation.js';
import { openModel, type OpenedModel } from '../src/runtime/model.js';
import { farthest, FIXTURES } from './vlm-golden.js';

/** Widths and heights, some of which leave no column of tokens, or no row. */
const SIZES = [[41, 75], [75, 41], [10, 100], [28, 28], [100, 9], [29, 57], [56, 56], [300, 200], [31, 64], [500, 2], [1, 500]] as const; // prettier-ignore

const CASES = [
  { family: 'llava_next', limit: undefined },
  { family: 'llava_onevision', limit: undefined },
  // so low that most maps are shrunk
  { family: 'llava_onevision', limit: 'anyres_max_1' },
];

function picture(width: number, height: number): RgbImage {
  const data = Uint8ClampedArray.from({ length: 3 * width * height }, (_, i) => (i * 37) % 251);
  return { data, width, height };
}

interface Encoder {
  encode_image(inputs: Record<string, unknown>): Promise<Tensor>;
}

describe.each(CASES)('$family, limit $limit', ({ family, limit }) => {
  const folder = mkdtempSync(join(tmpdir(), 'fastv-anyres-'));
  let model: OpenedModel;
  beforeAll(async () => {
    const checkpoint = join(folder, 'checkpoint');
    cpSync(join(FIXTURES, family), checkpoint, { recursive: true });
    const config = JSON.parse(readFileSync(join(checkpoint, 'config.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    if (limit !== undefined) config['vision_aspect_ratio'] = limit;
    writeFileSync(join(checkpoint, 'config.json'), JSON.stringify(config));
    await build(checkpoint, join(folder, 'model'));
    model = await openModel(join(folder, 'model'));
  });
  afterAll(async () => {
    await model.close();
    rmSync(folder, { recursive: true });
  });
  const encode = (inputs: Record<string, unknown>): Promise<Tensor> =>
    (model.model as unknown as Encoder).encode_image(inputs);
  const count = (ids: Tensor): number => {
    const { image_token_index: image } = model.model.config;
    return Array.from(ids.data as BigInt64Array, Number).filter((id) => id === image).length;
  };

  it.each(SIZES)('a picture of %i × %i has a feature for each of its tokens', async (width, height) => {
    const inputs = await model.conversation.inputs([
      { role: 'user', text: 'What?', images: [picture(width, height)] },
    ]);
    const { dims } = await encode(inputs);
    expect(dims[0]).toBe(count(inputs.input_ids));
  });

  it('pictures of several sizes are encoded as each by itself', async () => {
    const images = SIZES.slice(0, 4).map(([width, height]) => picture(width, height));
    const inputs = await model.conversation.inputs([{ role: 'user', text: 'What?', images }]);
    const together = await encode(inputs);
    expect(together.dims[0]).toBe(count(inputs.input_ids));
    const apart: number[] = [];
    for (const image of images) {
      const own = await model.conversation.inputs([{ role: 'user', text: 'What?', images: [image] }]);
      apart.push(...((await encode(own)).data as Float32Array));
    }
    expect(farthest(together.data as Float32Array, apart)).toBeLessThan(1e-6);
  });
});
