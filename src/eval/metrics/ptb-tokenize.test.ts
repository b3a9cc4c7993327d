import { expect, it } from 'vitest';
import { captionSample } from './caption.js';
import { golden, goldenSamples } from '../../../test/eval/captions-golden.js';
import { ptbTokenize } from './ptb-tokenize.js';

it.each([
  ['A man riding a horse.', 'a man riding a horse'],
  ["A dog's bowl, the dogs' bed", "a dog 's bowl the dogs bed"],
  ["it isn't, they'll, we've, I'm, he'd, you're", "it is n't they 'll we 've i 'm he 'd you 're"],
  ['I cannot; gonna wanna', 'i can not gon na wan na'],
  ['“smart” "straight" ‘single’ don’t', "smart straight single do n't"],
  ['a t-shirt, a well-known mother-in-law', 'a t-shirt a well-known mother-in-law'],
  ['1,000 cats at 10:30 with 3.5 kg', '1,000 cats at 10:30 with 3.5 kg'],
  ['black/white and 1/2', 'black\\/white and 1\\/2'],
  ['Mr. Smith in the U.S. at 5 p.m. with a cat.', 'mr. smith in the u.s. at 5 p.m. with a cat'],
  ['(left) [middle] {right}', '-lrb- left -rrb- -lsb- middle -rsb- -lcb- right -rcb-'],
  ['what? no! really?! ... -- - : ;', 'what no really ?!'],
  ['$5 & 50% #1', '$ 5 & 50 % # 1'],
  ["five o'clock", "five o'clock"],
  ['two ties,one red', 'two ties one red'],
  ['a clock reading 4:45pm or 12:30am', 'a clock reading 4:45 pm or 12:30 am'],
  ['1,000kg of 3.5mm', '1,000 kg of 3.5 mm'],
  ["a 1950's car and a 10kg dog", "a 1950 's car and a 10kg dog"],
  ['is it red? no. it is no.47, fig. 5', 'is it red no it is no. 47 fig. 5'],
  ["I'd've said y'all'll, a's's", "i 'd 've said y'all 'll a 's 's"],
  ['mr.smith', 'mr smith'],
  ['  spaces \n and\tlines  ', 'spaces and lines'],
  ['', ''],
  ['Ein Café öffnet', 'ein café öffnet'],
])('%j', (text, tokens) => {
  expect(ptbTokenize(text).join(' ')).toBe(tokens);
});

it('leaves captions that are already tokens as they are', () => {
  expect(golden.samples.map((s) => captionSample(s.candidate, s.references))).toEqual(goldenSamples);
});

it('takes a very long caption in linear time', () => {
  expect(ptbTokenize("a-b'c/d ".repeat(20_000))).toHaveLength(20_000);
  expect(ptbTokenize('a'.repeat(200_000))).toHaveLength(1);
  expect(ptbTokenize('?'.repeat(200_000))).toHaveLength(1);
}, 10_000);
