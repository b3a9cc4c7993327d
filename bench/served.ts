// A server of the bundled model in a process of its own, and requests for it: what the benchmarks of the server share.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { makeItem } from '../src/scenes/dataset.js';
import type { Family } from '../src/scenes/question.js';
import { renderScene } from '../src/scenes/render.js';
import { IMAGE_SIZE } from '../src/scenes/scene.js';
import type { RgbImage } from '../src/runtime/conversation.js';
import type { ServerLimits } from '../src/server/limits.js';
import { sceneAtlas } from './scene-files.js';

/** The bundled model's name. */
export const MODEL = 'scenes-llava';

/** The token that ends its answers: with a bias of −100 an answer is as long as it may be. */
export const ENDLESS = { logit_bias: { 2: -100 } };

/** A server that runs. */
export interface Served {
  readonly url: string;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

/** Starts a server. */
export async function startServed(limits: Partial<ServerLimits>): Promise<Served> {
  const file = fileURLToPath(new URL('serve-process.js', import.meta.url));
  const child = fork(file, [JSON.stringify(limits)]);
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => {
      resolve(message as string);
    });
    child.once('exit', (code) => {
      reject(new Error(`the server ended with ${String(code)}`));
    });
  });
  return {
    url,
    child,
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

const atlas = sceneAtlas();

/** A question of the scene benchmark and its picture. */
export function question(family: Family, index: number): { text: string; image: RgbImage } {
  const { question: text, scenes } = makeItem('test', family, index, atlas);
  const [scene] = scenes;
  if (scene === undefined) throw new Error('no scene');
  return {
    text,
    image: { data: new Uint8ClampedArray(renderScene(scene, atlas)), width: IMAGE_SIZE, height: IMAGE_SIZE },
  };
}

/** The body of a request. */
export async function bodyOf(family: Family, index: number, more: object): Promise<string> {
  const { text, image } = question(family, index);
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  const png = await sharp(image.data, { raw }).png().toBuffer();
  const url = `data:image/png;base64,${png.toString('base64')}`;
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text },
  ];
  return JSON.stringify({ model: MODEL, messages: [{ role: 'user', content }], ...more });
}
