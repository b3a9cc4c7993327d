// How much a tokenizer may make of a text. Its normalisers, decoders and templates are its author's: a few of them behind
// each other make gigabytes of one letter, before any time limit strikes.
import { FastvError } from '../errors.js';
import { isRecord } from './transformers.js';

/** Characters, or tokens, that each one of a text may become; real tokenizers stay below ten. */
const MOST_GROWTH = 128;
/** Characters that may be put before or behind each word, or each text. */
const MOST_AFFIX = 64;

/** Where one step follows another. The model itself only looks words up. */
const PARTS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const;
const AFFIXES = ['prepend', 'prefix', 'suffix', 'continuing_subword_prefix', 'end_of_word_suffix'] as const;

/**
 * Checks a tokenizer by what is in its tokenizer.json.
 * @throws {FastvError} `invalid-input` if it makes very much of little
 */
export function checkGrowth(tokenizer: unknown): void {
  if (!isRecord(tokenizer)) return;
  let growth = 1;
  for (const part of PARTS) {
    const open = [tokenizer[part]];
    while (open.length > 0) {
      const step = open.pop();
      if (Array.isArray(step)) {
        if (step.length > MOST_GROWTH) throw tooMuch();
        open.push(...(step as unknown[]));
      }
      if (!isRecord(step) || Array.isArray(step)) continue;
      growth *= growthOf(step);
      if (AFFIXES.some((name) => lengthOf(step[name]) > MOST_AFFIX) || growth > MOST_GROWTH) throw tooMuch();
      for (const list of ['normalizers', 'pretokenizers', 'processors', 'decoders']) open.push(step[list]);
    }
  }
  const { model } = tokenizer;
  if (isRecord(model) && AFFIXES.some((name) => lengthOf(model[name]) > MOST_AFFIX)) throw tooMuch();
}

/** What one character becomes at most, by the longest text or the most copies that a step puts in its place. */
function growthOf(step: Readonly<Record<string, unknown>>): number {
  if (step['type'] === 'TemplateProcessing') {
    const lists = [step['single'], step['pair']].filter((list) => Array.isArray(list));
    return Math.max(1, ...lists.map(({ length }) => length));
  }
  if (step['type'] === 'Metaspace')
    return Math.max(1, lengthOf(step['replacement']), lengthOf(step['str_rep']));
  if (step['type'] !== 'Replace') return 1;
  const { pattern, content } = step;
  const fixed = isRecord(pattern) ? lengthOf(pattern['String']) : 0;
  // a regular expression may match one character, or the nothing between two
  return fixed > 0 ? Math.max(1, lengthOf(content) / fixed) : 1 + lengthOf(content);
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0;
}

function tooMuch(): FastvError {
  return new FastvError('invalid-input', 'the tokenizer makes very much of a short text', {
    where: 'tokenizer.json',
    hint: 'Check where the model comes from.',
  });
}
