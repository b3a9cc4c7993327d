// The tokenizer.json of a tiktoken vocabulary, in Transformers.js, against tiktoken's rule written out.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PreTrainedTokenizer } from '@huggingface/transformers';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FIXTURES } from '../../test/vlm-golden.js';
import { tiktokenTokenizer } from './tiktoken.js';

const text = readFileSync(join(FIXTURES, 'qwen-vl-chat', 'qwen.tiktoken'), 'utf8');
const ranks = new Map(
  text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([token = '', rank]) => [Buffer.from(token, 'base64').toString('latin1'), Number(rank)]),
);
const tokenizer = new PreTrainedTokenizer(tiktokenTokenizer(text, ['<|end|>'], 'qwen.tiktoken'), {});

/** tiktoken: of the neighbours that are a token together, those of the lowest rank are joined, until there are none. */
function encodePiece(piece: string): number[] {
  const whole = ranks.get(piece);
  if (whole !== undefined) return [whole];
  const parts = Array.from(piece);
  for (;;) {
    const joins = parts.slice(1).map((part, i) => ranks.get((parts[i] ?? '') + part) ?? Infinity);
    const best = Math.min(...joins);
    if (best === Infinity) return parts.map((part) => ranks.get(part) ?? NaN);
    const at = joins.indexOf(best);
    parts.splice(at, 2, (parts[at] ?? '') + (parts[at + 1] ?? ''));
  }
}

const PIECES =
  /(?:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/giu;

function encode(whole: string): number[] {
  const pieces = whole.normalize('NFC').match(PIECES) ?? [];
  return pieces.flatMap((piece) => encodePiece(Buffer.from(piece, 'utf8').toString('latin1')));
}

const words = fc.constantFrom(
  'the',
  ' the',
  ' image',
  'there',
  "don't",
  '\n',
  '  ',
  '12',
  'é',
  '你好',
  '🐕',
  '…',
  ' and ',
);
const sentences = fc.array(fc.oneof(words, fc.string({ unit: 'grapheme', maxLength: 4 })), { maxLength: 12 });

it('encodes what tiktoken encodes', () => {
  fc.assert(
    fc.property(sentences, (pieces) => {
      const whole = pieces.join('');
      fc.pre(!whole.includes('<|'));
      expect(tokenizer.encode(whole)).toEqual(encode(whole));
    }),
    { numRuns: 500 },
  );
});

it('decodes what it encoded', () => {
  const whole = 'The image shows 12 dogs; 你好 🐕.\n\nIs there more?';
  expect(tokenizer.decode(tokenizer.encode(whole))).toBe(whole);
});

it('has its special tokens behind the vocabulary', () => {
  expect(tokenizer.encode('a<|end|>')).toEqual([...encode('a'), ranks.size]);
});
