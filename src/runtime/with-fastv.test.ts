import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { expect, it } from 'vitest';
import { EMBEDDED_MODEL } from './embedded.js';
import { withFastv } from './node.js';

it('is the class, but for what it loads', async () => {
  const Pruned = withFastv(AutoModelForImageTextToText, { ratio: 0.75, onWarning: () => undefined });
  expect(Pruned.BASE_IF_FAIL).toBe(AutoModelForImageTextToText.BASE_IF_FAIL);
  expect(Pruned.MODEL_CLASS_MAPPINGS).toBe(AutoModelForImageTextToText.MODEL_CLASS_MAPPINGS);
  const model = await Pruned.from_pretrained(EMBEDDED_MODEL, { layer: 3, dtype: 'fp32' });
  try {
    expect(model.fastv.ratio).toBe(0.75);
    expect(model.fastv.layer).toEqual([3]);
  } finally {
    await model.dispose();
  }
  await expect(
    withFastv(AutoModelForImageTextToText, { ratio: 2 }).from_pretrained(EMBEDDED_MODEL),
  ).rejects.toThrow('no share of tokens');
});
