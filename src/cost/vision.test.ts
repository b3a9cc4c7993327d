import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { visionMacs, visionShape } from './vision.js';

const CLIP_L = {
  model_type: 'llava',
  text_config: { hidden_size: 4096 },
  vision_config: {
    model_type: 'clip_vision_model',
    ...{ hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, image_size: 336, patch_size: 14 },
  },
};

describe('visionMacs', () => {
  it("are those of CLIP's tower and LLaVA's projector, counted by hand", () => {
    const config = JSON.parse(readFileSync(join(EMBEDDED_MODEL, 'config.json'), 'utf8')) as object;
    const shape = visionShape(config as Record<string, unknown>) ?? expect.fail();
    expect(shape.layers).toBe(5);
    const layer = (n: number): number => n * (4 * 192 ** 2 + 2 * 192 * 768) + 2 * n ** 2 * 192;
    const patch = 3 * 64 * 192 + 192 * 256 + 256 ** 2;
    expect(visionMacs(shape, [144])).toBe(144 * patch + 5 * layer(145));
    expect(visionMacs(shape, [324, 144])).toBe(visionMacs(shape, [324]) + visionMacs(shape, [144]));
  });

  it('count the layers up to the one that is asked for', () => {
    // 24 layers at 336 pixels are 191 thousand million in the literature; LLaVA takes the last but one
    const shape = visionShape(CLIP_L) ?? expect.fail();
    expect(shape.layers).toBe(23);
    expect(visionMacs({ ...shape, layers: 24, connector: 0 }, [576]) / 1e9).toBeCloseTo(191, 0);
  });

  it("know Qwen2-VL's, whose patches are joined by fours", () => {
    const vision = { depth: 32, embed_dim: 1280, mlp_ratio: 4, hidden_size: 1536, patch_size: 14 };
    const shape = visionShape({ model_type: 'qwen2_vl', vision_config: vision }) ?? expect.fail();
    expect(shape.connector).toBe((5120 ** 2 + 5120 * 1536) / 4);
    expect(shape.patchValues).toBe(3 * 2 * 14 ** 2);
  });

  it('say nothing of encoders that are not known', () => {
    for (const config of [
      {},
      { model_type: 'qwen2_5_vl', vision_config: CLIP_L.vision_config },
      { ...CLIP_L, vision_config: { model_type: 'siglip_vision_model' } },
      { ...CLIP_L, text_config: { hidden_size: -1 } },
    ])
      expect(visionShape(config)).toBeUndefined();
  });
});
