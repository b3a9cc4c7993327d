import { describe, expect, it } from 'vitest';
import { loadAtlas } from './atlas.js';
import { makeConversation, makeItem, SPLITS, type Item } from './dataset.js';
import { answerKinds, FAMILIES, type Family } from './question.js';
import { center, regionOf } from './scene.js';

const atlas = loadAtlas();
const COUNT = 600;
const items = new Map<Family, Item[]>(
  FAMILIES.map((f) => [f, Array.from({ length: COUNT }, (_, i) => makeItem('test', f, i, atlas))]),
);

describe('makeItem', () => {
  it.each(FAMILIES)('gives the same %s item twice, and another in every split', (family) => {
    const made = SPLITS.map((split) => JSON.stringify(makeItem(split, family, 5, atlas).scenes));
    expect(made).toEqual(SPLITS.map((split) => JSON.stringify(makeItem(split, family, 5, atlas).scenes)));
    expect(new Set(made).size).toBe(SPLITS.length);
  });

  // Guessing by the best constant answer must not beat chance by more than 4 standard deviations.
  it.each(FAMILIES.filter((f) => answerKinds(f).length > 1))(
    '%s: every kind of answer is as likely',
    (family) => {
      const kinds = answerKinds(family);
      const expected = COUNT / kinds.length;
      const spread = 4 * Math.sqrt(expected * (1 - 1 / kinds.length));
      for (const kind of kinds) {
        const count = (items.get(family) ?? []).filter((item) => item.kind === kind).length;
        expect(Math.abs(count - expected), kind).toBeLessThan(spread);
      }
    },
  );

  // A guesser that knows the question may use any one word of it: learn the best answer for each word
  // on one half, and try it on the other.
  it.each(FAMILIES.filter((f) => f !== 'caption'))(
    '%s: no word of the question gives the answer away',
    (family) => {
      const all = items.get(family) ?? [];
      const half = COUNT / 2;
      // size and category answer with a class; what counts is which of the two things, which of the classes
      const answer = (item: Item): string => (family === 'size' ? item.kind : item.answer);
      const words = (item: Item): string[] => item.question.split(/[^a-z]+/i);
      const byWord = new Map<string, Map<string, number>>();
      for (const item of all.slice(0, half)) {
        for (const word of words(item)) {
          const counts = byWord.get(word) ?? new Map<string, number>();
          counts.set(answer(item), (counts.get(answer(item)) ?? 0) + 1);
          byWord.set(word, counts);
        }
      }
      const guess = (item: Item): string => {
        const known = words(item).flatMap((word) => {
          const counts = [...(byWord.get(word) ?? [])].sort((a, b) => b[1] - a[1]);
          const total = counts.reduce((sum, [, n]) => sum + n, 0);
          return counts[0] === undefined ? [] : [{ answer: counts[0][0], rate: counts[0][1] / total }];
        });
        return known.sort((a, b) => b.rate - a.rate)[0]?.answer ?? '';
      };
      const right = all.slice(half).filter((item) => guess(item) === answer(item)).length;
      const kinds = new Set(all.map(answer)).size;
      const chance = 1 / kinds;
      expect(right / half).toBeLessThan(chance + 4 * Math.sqrt((chance * (1 - chance)) / half) + 0.01);
    },
  );

  it('asks about what is there: evidence lies in the images', () => {
    for (const item of [...items.values()].flat()) {
      for (const { evidence } of item.mentions) {
        for (const { image, box } of evidence) {
          expect(item.scenes[image]).toBeDefined();
          const { x, y } = center(box);
          expect(x >= 0 && y >= 0 && x < 96 && y < 96).toBe(true);
        }
      }
    }
  });
});

describe('answers', () => {
  const of = (family: Family): Item[] => items.get(family) ?? [];
  it('existence, counting, category and position agree with the scene', () => {
    for (const { scenes, question, answer } of of('existence')) {
      const name = /an? ([a-z]+) in/.exec(question)?.[1];
      expect(scenes[0]?.objects.some((o) => o.class === name)).toBe(answer === 'yes');
    }
    for (const { scenes, question, answer } of of('count-class')) {
      const name = /many ([a-z]+) /.exec(question)?.[1];
      const count = scenes[0]?.objects.filter((o) => o.class === name).length;
      expect(['zero', 'one', 'two', 'three', 'four'].indexOf(answer)).toBe(count);
    }
    for (const { scenes, question, answer } of of('category')) {
      const there = scenes[0]?.objects.filter((o) => question === `What is at the ${regionOf(o.box)}?`);
      expect(there?.map((o) => o.class)).toEqual([answer]);
    }
    for (const { scenes, question, answer } of of('position')) {
      const those = scenes[0]?.objects.filter((o) => question === `Where is the ${o.class}?`);
      expect(those?.map((o) => regionOf(o.box))).toEqual([answer]);
    }
  });

  it('only one image has the class that multi-image asks for', () => {
    for (const { scenes, question, answer } of of('multi-image')) {
      const name = /an? ([a-z]+)\?/.exec(question)?.[1];
      const having = scenes.flatMap((s, i) => (s.objects.some((o) => o.class === name) ? [i] : []));
      expect(having).toEqual([['first', 'second', 'third', 'fourth'].indexOf(answer)]);
    }
  });

  it('the object that moved is the only one that did', () => {
    for (const { scenes, answer } of of('video-moved')) {
      const places = new Map<string, Set<string>>();
      for (const o of scenes.flatMap((s) => s.objects)) {
        places.set(o.class, (places.get(o.class) ?? new Set()).add(`${String(o.box.x)},${String(o.box.y)}`));
      }
      expect([...places].filter(([, at]) => at.size > 1).map(([name]) => name)).toEqual([answer]);
    }
  });

  it('text questions quote the text, small text apart', () => {
    for (const { scenes, answer } of of('text')) expect(scenes[0]?.text).toMatchObject({ value: answer });
    for (const { scenes } of of('text')) expect(scenes[0]?.text?.size).toBeGreaterThan(8);
    for (const { scenes } of of('text-small')) expect(scenes[0]?.text?.size).toBeLessThanOrEqual(8);
  });
});

describe('makeConversation', () => {
  it('asks many questions about one image, the caption last', () => {
    for (let i = 0; i < 50; i++) {
      const { scenes, questions } = makeConversation(i, 12, atlas);
      expect(scenes).toHaveLength(1);
      expect(questions.length).toBeGreaterThan(4);
      expect(questions.map((q) => q.family).indexOf('caption')).toBe(questions.length - 1);
    }
  });
});
