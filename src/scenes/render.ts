/**
 * Draws a scene in integer arithmetic alone, so that any language draws the same bytes.
 * training/scenes.py is its twin; golden hashes in both test suites hold them together.
 */
import type { Atlas } from './atlas.js';
import { IMAGE_SIZE, type Background, type Scene } from './scene.js';

const N = IMAGE_SIZE;

/** A scene's pixels: RGB bytes, [96, 96, 3]. @throws FastvError if it names what the atlas lacks. */
export function renderScene(scene: Scene, atlas: Atlas): Uint8Array {
  const image = new Uint8Array(N * N * 3);
  drawBackground(image, scene.background);
  for (const { x, y, width, height, color } of scene.clutter) {
    for (let v = y; v < y + height; v++)
      for (let u = x; u < x + width; u++) blend(image, u, v, color, 0, 255);
  }
  for (const object of scene.objects) {
    const { width, height, pixels } = atlas.sprite(object.class, object.size);
    for (let v = 0; v < height; v++) {
      for (let u = 0; u < width; u++) {
        const at = 4 * (v * width + u);
        blend(image, object.box.x + u, object.box.y + v, pixels, at, pixels[at + 3] ?? 0);
      }
    }
  }
  if (scene.text !== null) {
    const { value, size, color, box } = scene.text;
    const { width, height, alpha } = atlas.glyphs(size);
    Array.from(value, (character, i) => {
      const glyph = alpha.get(character);
      for (let v = 0; v < height; v++) {
        for (let u = 0; u < width; u++) {
          blend(image, box.x + i * width + u, box.y + v, color, 0, glyph?.[v * width + u] ?? 0);
        }
      }
    });
  }
  return image;
}

/** out = (source·a + destination·(255 − a) + 127) div 255 */
function blend(
  image: Uint8Array,
  x: number,
  y: number,
  rgb: ArrayLike<number>,
  from: number,
  a: number,
): void {
  if (x < 0 || y < 0 || x >= N || y >= N) return;
  const at = 3 * (y * N + x);
  for (let c = 0; c < 3; c++) {
    image[at + c] = Math.floor(((rgb[from + c] ?? 0) * a + (image[at + c] ?? 0) * (255 - a) + 127) / 255);
  }
}

function drawBackground(image: Uint8Array, { style, from, to, seed }: Background): void {
  for (let y = 0; y < N; y++) {
    for (let x = 0; x < N; x++) {
      const t = style === 'gradient-x' ? x : style === 'gradient-y' ? y : 0;
      const noise = style === 'texture' ? textureNoise(x >> 1, y >> 1, seed) : 0;
      for (let c = 0; c < 3; c++) {
        const value = Math.floor(((from[c] ?? 0) * (N - 1 - t) + (to[c] ?? 0) * t + 47) / (N - 1)) + noise;
        image[3 * (y * N + x) + c] = Math.max(0, Math.min(255, value));
      }
    }
  }
}

/** A hash of a place, in [−8, 8]. */
function textureNoise(x: number, y: number, seed: number): number {
  let h = (Math.imul(x, 374761393) + Math.imul(y, 668265263) + Math.imul(seed, 2246822519)) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 1274126177) >>> 0;
  h = (h ^ (h >>> 16)) >>> 0;
  return (h % 17) - 8;
}
