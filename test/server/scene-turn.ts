// Questions about synthetic scenes, which the bundled model can answer.
import sharp from 'sharp';
import { loadAtlas } from '../../src/scenes/atlas.js';
import { makeItem } from '../../src/scenes/dataset.js';
import type { Family } from '../../src/scenes/question.js';
import { renderScene } from '../../src/scenes/render.js';
import { IMAGE_SIZE } from '../../src/scenes/scene.js';
import type { RgbImage } from '../../src/runtime/conversation.js';
import type { Pruning, Turn } from '../../src/server/engine/prompt.js';

const atlas = loadAtlas();

/** A question of the test split, and its pictures. */
export function scene(family: Family, index: number): { question: string; images: RgbImage[] } {
  const { question, scenes } = makeItem('test', family, index, atlas);
  const images = scenes.map((one) => ({
    data: new Uint8ClampedArray(renderScene(one, atlas)),
    width: IMAGE_SIZE,
    height: IMAGE_SIZE,
  }));
  return { question, images };
}

/** The same as the engine takes it. */
export function sceneTurn(family: Family, index: number, pruning: Pruning): Turn {
  const { question, images } = scene(family, index);
  const message = { role: 'user', text: question, images } as const;
  return { message, images: images.map((_, i) => `${family} ${index} ${i}`), pruning };
}

/** The same as a data URL. */
export async function sceneUrl(family: Family, index: number): Promise<string> {
  const [image] = scene(family, index).images;
  if (image === undefined) throw new Error('no picture');
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  const png = await sharp(image.data, { raw }).png().toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}
