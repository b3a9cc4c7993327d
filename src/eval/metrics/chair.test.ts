import { expect, it } from 'vitest';
import { scoreTask } from '../score.js';
import { chairMetric, mentionedObjects } from './chair.js';
import { OBJECTS, PAIRS } from './coco-objects.js';

it.each([
  ['Two puppies sit on a sofa beside three women.', ['dog', 'couch', 'person']],
  // two words that are one: an animal, no person; a track, no train; a signal
  ['A baby elephant near the train tracks and traffic lights', ['elephant', 'traffic light']],
  ['a passenger train', ['train']],
  ['wine glasses and a glass of wine', ['wine glass']],
  ['hot dogs, but a hot. dog', ['hot dog', 'dog']],
  ['the seat of the toilet', ['toilet']],
  ['a seat', ['chair']],
  // every mention counts
  ['a man, a man and the man', ['person', 'person', 'person']],
  ["the dog's bowl", ['dog', 'bowl']],
  // a word that is in the list keeps its form, and entries that the reference never finds are not found
  ['scissors, skis, people, geese', ['scissors', 'skis', 'person', 'bird']],
  ['a motor bike, a cheesecake, an iPhone', []],
  ['', []],
])('%j mentions %j', (caption, objects) => {
  expect(mentionedObjects(caption)).toEqual(objects);
});

it('knows eighty objects, each by its own name', () => {
  expect(new Set(OBJECTS.values()).size).toBe(80);
  for (const object of OBJECTS.values()) expect(OBJECTS.get(object)).toBe(object);
  expect([PAIRS.get('bow tie'), PAIRS.get('adult cub'), PAIRS.has('stove top oven')]).toEqual([
    'tie',
    'cub',
    false,
  ]);
});

const sample = (prediction: string, answers: readonly string[]) => ({
  ...{ prediction, answers, category: null, group: null },
  score: chairMetric.scoreReply({ answers, choices: null, answerIndex: null }, { text: prediction }).score,
});

it('is the share of mentions that are not there, with captions and recall besides', () => {
  const samples = [
    sample('A cat and a dog on a bed.', ['cat', 'bed', 'person']), // one of three is not there
    sample('A dog, a dog!', ['cat']), // two of two
    sample('A person.', ['person', 'kite']),
    sample('Nothing.', ['kite']),
  ];
  expect(samples.map(({ score }) => score)).toEqual([0, 0, 1, 1]);
  const { score, higherIsBetter, details } = scoreTask('chair', samples);
  expect(score).toBe(3 / 6);
  expect(higherIsBetter).toBe(false);
  expect(details).toEqual({ CHAIRs: 0.5, recall: 3 / 7, objects: 1.5 });
});

it('means what it mentions', () => {
  expect(chairMetric.meaning?.(sample('A dog beside a cat', []))).toBe(
    chairMetric.meaning?.(sample('Cats, dogs, cats', [])),
  );
});

it('reads a long caption of one word in no time', () => {
  expect(mentionedObjects(`${'a'.repeat(30_000)} dog ${'dogs '.repeat(5_000)}`)).toHaveLength(5_001);
});
