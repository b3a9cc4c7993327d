import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EMBEDDED_MODEL } from './embedded.js';
import { checkGrowth } from './tokenizer-growth.js';

const replace = (content: string, pattern: object = { Regex: '.' }): object => ({
  type: 'Replace',
  pattern,
  content,
});
const sequence = (...normalizers: object[]): object => ({ normalizer: { type: 'Sequence', normalizers } });
const twice = {
  type: 'TemplateProcessing',
  single: [{ Sequence: { id: 'A' } }, { Sequence: { id: 'A' } }],
};

describe('checkGrowth', () => {
  it.each([
    ['a long text for every letter', sequence(replace('x'.repeat(1000)))],
    [
      'texts for letters of texts',
      sequence(replace('xxxx'), replace('xxxx'), replace('xxxx'), replace('xxxx')),
    ],
    ['copies of copies', { post_processor: { type: 'Sequence', processors: Array(8).fill(twice) } }],
    ['a decoder that does so', { decoder: replace('x'.repeat(1000), { String: 'ab' }) }],
    ['long words', { model: { continuing_subword_prefix: 'x'.repeat(1000) } }],
  ])('refuses %s', (_, tokenizer) => {
    expect(() => {
      checkGrowth(tokenizer);
    }).toThrow(expect.objectContaining({ code: 'invalid-input', where: 'tokenizer.json' }) as Error);
  });

  it.each([
    [
      'the embedded model',
      JSON.parse(readFileSync(join(EMBEDDED_MODEL, 'tokenizer.json'), 'utf8')) as object,
    ],
    ['spaces as underscores', sequence({ type: 'Prepend', prepend: '▁' }, replace('▁', { String: ' ' }))],
    ['what is no tokenizer', { normalizer: 7, post_processor: [null] }],
  ])('takes %s', (_, tokenizer) => {
    checkGrowth(tokenizer);
  });
});
