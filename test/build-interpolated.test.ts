// CLIP's positions interpolated, against what Hugging Face's `interpolate_pos_encoding` gives.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { build } from '../src/build/build.js';
import { farthest, FIXTURES } from './vlm-golden.js';

interface Golden {
  readonly dims: readonly number[];
  readonly every: number;
  readonly values: readonly number[];
}

const folder = mkdtempSync(join(tmpdir(), 'fastv-interpolated-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Features of a made-up picture. */
async function features(model: string, dtype: string, height: number, width: number): Promise<ort.Tensor> {
  const suffix = dtype === 'fp32' ? '' : `_${dtype}`;
  const session = await ort.InferenceSession.create(join(model, 'onnx', `vision_encoder${suffix}.onnx`));
  const pixels = Float32Array.from({ length: 3 * height * width }, (_, i) => Math.sin(0.37 * i));
  const { image_features: found } = await session.run({
    pixel_values: new ort.Tensor('float32', pixels, [1, 3, height, width]),
  });
  await session.release();
  return found ?? expect.fail();
}

describe('build with interpolated positions', { timeout: 60_000 }, () => {
  it("gives Hugging Face's features of a picture of another size, in fp32 and fp16", async () => {
    const golden = JSON.parse(readFileSync(join(FIXTURES, 'llava', 'interpolated.json'), 'utf8')) as Golden;
    for (const [dtype, most] of [
      ['fp32', 1e-4],
      ['fp16', 0.05],
    ] as const) {
      const model = join(folder, dtype);
      await build(join(FIXTURES, 'llava'), model, { dtype, interpolatePositions: true });
      const { data, dims } = await features(model, dtype, 84, 70);
      expect(dims).toEqual(golden.dims);
      const some = (data as Float32Array).filter((_, i) => i % golden.every === 0);
      expect(farthest(some, Float32Array.from(golden.values))).toBeLessThan(most);
    }
  });

  it('changes nothing at the size of the tower itself', async () => {
    await build(join(FIXTURES, 'llava'), join(folder, 'fixed'));
    const [fixed, several] = [
      await features(join(folder, 'fixed'), 'fp32', 56, 56),
      await features(join(folder, 'fp32'), 'fp32', 56, 56),
    ];
    expect(farthest(fixed.data as Float32Array, several.data as Float32Array)).toBeLessThan(1e-5);
  });

  it.each(['gemma3', 'qwen2_vl', 'llava_onevision'])('refuses %s, and makes no folder', async (name) => {
    const made = build(join(FIXTURES, name), join(folder, name), { interpolatePositions: true });
    await expect(made).rejects.toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', where: '--interpolate-positions' }) as Error,
    );
    expect(() => readFileSync(join(folder, name, 'config.json'))).toThrow();
  });
});
