import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '@huggingface/transformers';
import { afterAll, describe, expect, it } from 'vitest';
import { build } from '../build/build.js';
import { FIXTURES } from '../../test/vlm-golden.js';
import { Conversation, type Message } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { checkSees, conversationAt } from './image-size.js';
import { openModel } from './model.js';

const picture = (width: number, height: number): Message => ({
  role: 'user',
  text: 'What is this?',
  images: [{ data: new Uint8ClampedArray(3 * width * height).fill(90), width, height }],
});

/** Pixels and image tokens of a question. */
async function seen(conversation: Conversation, message: Message, image: bigint) {
  const inputs = await conversation.inputs([message]);
  const ids = Array.from(inputs.input_ids.data as BigInt64Array);
  const { dims } = inputs['pixel_values'] as Tensor;
  return { dims, tokens: ids.filter((id) => id === image).length };
}

const folder = mkdtempSync(join(tmpdir(), 'fastv-image-size-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('conversationAt', { timeout: 60_000 }, () => {
  it("sees CLIP's pictures at another size, with as many tokens as there are patches then", async () => {
    const own = await Conversation.load(EMBEDDED_MODEL);
    const image = BigInt(own.tokenizer.encode('<image>', { add_special_tokens: false })[0] ?? -1);
    expect(await seen(own, picture(96, 96), image)).toEqual({ dims: [1, 3, 96, 96], tokens: 144 });
    const large = conversationAt(own, 144);
    expect(await seen(large, picture(96, 96), image)).toEqual({ dims: [1, 3, 144, 144], tokens: 324 });
    expect(await seen(own, picture(96, 96), image)).toEqual({ dims: [1, 3, 96, 96], tokens: 144 });
  });

  it('crops what it cropped before, at the new size', async () => {
    const own = await Conversation.load(join(FIXTURES, 'llava'));
    const inputs = await conversationAt(own, 84).inputs([picture(120, 60)]);
    expect((inputs['pixel_values'] as Tensor).dims).toEqual([1, 3, 84, 84]);
  });

  it("gives Qwen2-VL's as many pixels, whatever a picture has", async () => {
    const own = await Conversation.load(join(FIXTURES, 'qwen2_vl'));
    // patches of 6 pixels, joined by fours
    for (const side of [24, 48, 84])
      for (const [width, height] of [
        [30, 30],
        [48, 48],
        [300, 300],
      ] as const) {
        const inputs = await conversationAt(own, side).inputs([picture(width, height)]);
        const grid = Array.from((inputs['image_grid_thw'] as Tensor).data as BigInt64Array, Number);
        expect(grid).toEqual([1, side / 6, side / 6]);
      }
  });

  it.each(['llava_next', 'smolvlm', 'internvl', 'video_llava', 'gemma3'])(
    'refuses %s, whose pictures have no one size',
    async (name) => {
      await build(join(FIXTURES, name), join(folder, name));
      const own = await Conversation.load(join(folder, name));
      expect(() => conversationAt(own, 112)).toThrow(
        expect.objectContaining({ code: 'unsupported-decoder', where: '112 px' }) as Error,
      );
    },
  );

  it.each([0, 7, 96.5, NaN, 1e9])('refuses a side of %s pixels', async (pixels) => {
    const own = await Conversation.load(EMBEDDED_MODEL);
    expect(() => conversationAt(own, pixels)).toThrow(
      expect.objectContaining({ code: 'invalid-option' }) as Error,
    );
  });
});

describe('checkSees', { timeout: 60_000 }, () => {
  it('refuses an encoder of one size, and lets pass one whose positions are interpolated', async () => {
    await using fixed = await openModel(EMBEDDED_MODEL);
    await expect(checkSees(fixed, conversationAt(fixed.conversation, 120), 120)).rejects.toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', where: EMBEDDED_MODEL }) as Error,
    );
    await checkSees(fixed, conversationAt(fixed.conversation, 96), 96);
    const built = join(folder, 'llava');
    await build(join(FIXTURES, 'llava'), built, { interpolatePositions: true });
    await using several = await openModel(built);
    await checkSees(several, conversationAt(several.conversation, 84), 84);
  });
});
