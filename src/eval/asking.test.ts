import { expect, it } from 'vitest';
import { interleave } from './asking.js';

it.each([
  ['<image 2> beside <image 1>?', { images: ['b', 'a'], parts: [null, ' beside ', null, '?'] }],
  ['In <image 1>, and <image 1> again', { images: ['a'], parts: ['In ', null, ', and <image 1> again'] }],
  ['<image 9> is not there', { images: ['a', 'b', 'c'] }],
  ['none named', { images: ['a', 'b', 'c'] }],
])('%s', (prompt, shown) => {
  expect(interleave(prompt, ['a', 'b', 'c'])).toEqual(shown);
});
