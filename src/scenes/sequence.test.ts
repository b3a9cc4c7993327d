import { describe, expect, it } from 'vitest';
import { loadAtlas } from './atlas.js';
import { Random } from './random.js';
import { overlap } from './scene.js';
import { sampleImageSet, sampleVideo } from './sequence.js';

const atlas = loadAtlas();

describe('sampleVideo', () => {
  it('moves its object evenly in the direction of the answer', () => {
    for (let seed = 0; seed < 200; seed++) {
      const { scenes, questions } = sampleVideo(new Random(seed), atlas, 4 + (seed % 5));
      const moved = questions.find((q) => q.family === 'video-moved');
      const direction = questions.find((q) => q.family === 'video-direction')?.answer;
      const boxes = scenes.map((s) => s.objects.find((o) => o.class === moved?.answer)?.box);
      const [first, last] = [boxes[0], boxes[boxes.length - 1]];
      const dx = (last?.x ?? NaN) - (first?.x ?? NaN);
      const dy = (last?.y ?? NaN) - (first?.y ?? NaN);
      const seen = dx > 0 ? 'right' : dx < 0 ? 'left' : dy > 0 ? 'down' : 'up';
      expect(direction).toBe(seen);
      expect(Math.abs(dx) + Math.abs(dy)).toBeGreaterThanOrEqual(40);
      expect(dx === 0 || dy === 0).toBe(true);
    }
  });

  it('shows the object that comes and goes as often as the answer says', () => {
    for (let seed = 0; seed < 200; seed++) {
      const { scenes, questions } = sampleVideo(new Random(seed, 1), atlas, 4);
      const count = questions.find((q) => q.family === 'video-count');
      const name = /does the ([a-z]+)/.exec(count?.question ?? '')?.[1];
      const times = scenes.filter((s) => s.objects.some((o) => o.class === name)).length;
      expect(['zero', 'one', 'two', 'three', 'four'][times]).toBe(count?.answer);
    }
  });

  it('keeps objects apart and inside in every frame', () => {
    for (let seed = 0; seed < 100; seed++) {
      for (const { objects } of sampleVideo(new Random(seed, 2), atlas, 6).scenes) {
        for (const [i, { box }] of objects.entries()) {
          expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= 96 && box.y + box.height <= 96).toBe(true);
          for (const other of objects.slice(i + 1)) expect(overlap(box, other.box)).toBe(false);
        }
      }
    }
  });
});

describe('sampleImageSet', () => {
  it('has no word for a fifth image', () => {
    expect(() => sampleImageSet(new Random(1), atlas, 5)).toThrow(RangeError);
  });
});
