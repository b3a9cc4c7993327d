import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadAtlas } from './atlas.js';
import { makeItem } from './dataset.js';
import { renderScene } from './render.js';
import type { Scene } from './scene.js';

const atlas = loadAtlas();
const empty: Scene = {
  background: { color: 'blue', style: 'plain', from: [10, 20, 30], to: [10, 20, 30], seed: 0 },
  clutter: [],
  objects: [],
  text: null,
};

describe('renderScene', () => {
  it('draws a plain background as its colour', () => {
    const image = renderScene(empty, atlas);
    expect(image.length).toBe(96 * 96 * 3);
    for (let i = 0; i < image.length; i += 3) expect([...image.subarray(i, i + 3)]).toEqual([10, 20, 30]);
  });

  it('draws a gradient from one colour to the other', () => {
    const background = { ...empty.background, style: 'gradient-x', to: [110, 120, 130] } as const;
    const image = renderScene({ ...empty, background }, atlas);
    expect([...image.subarray(0, 3)]).toEqual([10, 20, 30]);
    expect([...image.subarray(95 * 3, 96 * 3)]).toEqual([110, 120, 130]);
  });

  it('changes pixels under a sprite only', () => {
    const box = { x: 8, y: 16, width: 24, height: 24 };
    const image = renderScene({ ...empty, objects: [{ class: 'dog', size: 24, box }] }, atlas);
    const before = renderScene(empty, atlas);
    let changed = 0;
    for (let i = 0; i < image.length; i++) {
      if (image[i] === before[i]) continue;
      const [x, y] = [Math.floor(i / 3) % 96, Math.floor(i / 288)];
      expect(x >= 8 && x < 32 && y >= 16 && y < 40).toBe(true);
      changed++;
    }
    expect(changed).toBeGreaterThan(300);
  });

  // training/test_scenes.py draws the same scenes in Python and compares the same hashes.
  it('draws the golden scenes to the byte', () => {
    const file = new URL('golden.json', import.meta.url);
    const goldens = JSON.parse(readFileSync(file, 'utf8')) as { scene: Scene; sha256: string }[];
    expect(goldens.length).toBeGreaterThanOrEqual(20);
    for (const { scene, sha256 } of goldens) {
      expect(createHash('sha256').update(renderScene(scene, atlas)).digest('hex')).toBe(sha256);
    }
  });

  it('the golden scenes are those of the seeds', () => {
    const file = new URL('golden.json', import.meta.url);
    const goldens = JSON.parse(readFileSync(file, 'utf8')) as {
      scene: Scene;
      split: 'test' | 'hard';
      index: number;
    }[];
    for (const { scene, split, index } of goldens) {
      expect(makeItem(split, index % 2 === 0 ? 'caption' : 'text', index, atlas).scenes[0]).toEqual(scene);
    }
  });
});
