// The embedded model, loaded as any other model is: the folder works, and the model really looks.
import { fileURLToPath } from 'node:url';
import {
  AutoModelForImageTextToText,
  AutoProcessor,
  env,
  RawImage,
  type Tensor,
} from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { loadAtlas } from './atlas.js';
import { makeItem } from './dataset.js';
import type { Family } from './question.js';
import { renderScene } from './render.js';
import { IMAGE_SIZE } from './scene.js';

const FAMILIES = [
  'existence',
  'category',
  'position',
  'relation',
  'count-all',
  'color',
  'size',
  'text',
] as const;
const EACH = 6;

type Answer = (family: Family, index: number) => Promise<{ right: boolean; said: string }>;

async function load(dtype: 'fp32' | 'q8'): Promise<Answer> {
  env.allowRemoteModels = false;
  env.localModelPath = fileURLToPath(new URL('../../models/', import.meta.url));
  const processor = await AutoProcessor.from_pretrained('scenes-llava');
  const model = await AutoModelForImageTextToText.from_pretrained('scenes-llava', { dtype, device: 'cpu' });
  const atlas = loadAtlas();
  return async (family, index) => {
    const { scenes, question, answer } = makeItem('test', family, index, atlas);
    const [scene] = scenes;
    if (scene === undefined) throw new Error('no scene');
    const image = new RawImage(renderScene(scene, atlas), IMAGE_SIZE, IMAGE_SIZE, 3);
    const messages = [{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: question }] }];
    const prompt = processor.apply_chat_template(messages, { add_generation_prompt: true });
    const inputs = (await processor(image, prompt)) as { input_ids: Tensor };
    const output = (await model.generate({ ...inputs, max_new_tokens: 10 })) as Tensor;
    const end = output.dims[1] ?? 0;
    const start = inputs.input_ids.dims[1] ?? 0;
    const said =
      processor.batch_decode(output.slice(null, [start, end]), { skip_special_tokens: true })[0] ?? '';
    return { right: said.trim() === answer, said };
  };
}

describe.each(['fp32', 'q8'] as const)('models/scenes-llava in Transformers.js, %s', (dtype) => {
  it('answers most questions about scenes that it has never seen', { timeout: 120_000 }, async () => {
    const answer = await load(dtype);
    const missed: string[] = [];
    for (const family of FAMILIES) {
      for (let i = 0; i < EACH; i++) {
        const { right, said } = await answer(family, i);
        if (!right) missed.push(`${family} ${String(i)}: ${said}`);
      }
    }
    expect(missed.length / (FAMILIES.length * EACH), missed.join('\n')).toBeLessThan(0.15);
  });
});
