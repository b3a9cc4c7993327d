import { expect, it } from 'vitest';
import type { Picture } from '../media/index.js';
import { loadAtlas } from '../scenes/atlas.js';
import { makeItem } from '../scenes/dataset.js';
import { FAMILIES } from '../scenes/question.js';
import { isSceneQuestion, sceneNotice } from './scene-notice.js';

const picture = (width: number, height: number): Picture => ({
  width,
  height,
  data: new Uint8ClampedArray(width * height * 3),
});

it('knows every question that the benchmark asks', () => {
  const atlas = loadAtlas();
  for (const family of FAMILIES) {
    for (let i = 0; i < 20; i++) {
      const { question } = makeItem('test', family, i, atlas);
      expect(isSceneQuestion(question), question).toBe(true);
    }
  }
});

it.each([
  'What is on the table?',
  'Is there a bulldozer in the image?',
  'Where is the dog, and why?',
  'Describe the image in French.',
  '',
])('knows that %j is none of them', (question) => {
  expect(isSceneQuestion(question)).toBe(false);
});

it('says so for photos and for questions, with the command that helps', () => {
  expect(sceneNotice([picture(96, 96)], 'How many objects are there?')).toBeUndefined();
  expect(sceneNotice([picture(96, 96)])).toBeUndefined();
  expect(sceneNotice([picture(640, 480)], 'How many objects are there?')).toMatch(
    /no such pictures; .*fastv pull/u,
  );
  expect(sceneNotice([picture(96, 96)], 'What is on the table?')).toMatch(/no such questions; /u);
  expect(sceneNotice([picture(640, 480)], 'Why?')).toMatch(/no such pictures or questions; /u);
});
