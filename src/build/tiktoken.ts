// A vocabulary of tiktoken (Qwen-VL-Chat's `qwen.tiktoken`: lines of a base64 token and its rank) as the tokenizer.json that
// Transformers.js reads.
//
// tiktoken joins the neighbours whose join has the lowest rank. Byte-pair encoding as tokenizer.json has it needs each
// join by its two halves: those that a token's own bytes fall into when they are joined with the ranks below its own.
import { FastvError } from '../errors.js';

/** Most tokens of a vocabulary. */
const MOST = 2 ** 20;
/** The longest token, in bytes. */
const LONGEST = 1024;

/** How text is cut before it is encoded: GPT-4's rule with single digits, as tokenization_qwen.py has it. */
const PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/**
 * The tokenizer.json of a vocabulary.
 * @param text the file's
 * @param special tokens that follow the vocabulary, in order
 * @throws {FastvError} `malformed-model` if it is no vocabulary
 */
export function tiktokenTokenizer(
  text: string,
  special: readonly string[],
  where: string,
): Readonly<Record<string, unknown>> {
  const tokens = ranksOf(text, where);
  const ranks = new Map(tokens.map((token, rank) => [token, rank]));
  const merges = tokens.flatMap((token, rank) => {
    const halves = token.length > 1 ? halvesOf(token, rank, ranks) : [];
    return halves.length === 2 ? [halves.map(printable)] : [];
  });
  const level = { add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, i) => ({
      id: tokens.length + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: PATTERN }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', ...level },
      ],
    },
    post_processor: { type: 'ByteLevel', ...level },
    decoder: { type: 'ByteLevel', ...level },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      // as tiktoken does: what is a token as a whole is that token
      ignore_merges: true,
      vocab: Object.fromEntries(tokens.map((token, rank) => [printable(token), rank])),
      merges,
    },
  };
}

/** The tokens by rank, each a text of a character a byte. */
function ranksOf(text: string, where: string): string[] {
  const refuse = (line: number, what: string): FastvError =>
    new FastvError('malformed-model', `line ${line} ${what}`, {
      where,
      hint: 'Each line is a token in base64 and its rank.',
    });
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0 || lines.length > MOST) {
    throw new FastvError('malformed-model', `a vocabulary of ${lines.length} tokens`, { where });
  }
  const tokens = new Array<string | undefined>(lines.length).fill(undefined);
  for (const [i, line] of lines.entries()) {
    const [, base64, rank] = /^([A-Za-z0-9+/]{1,4096}={0,2}) (\d{1,7})\r?$/u.exec(line) ?? [];
    if (base64 === undefined) throw refuse(i + 1, 'is no token and rank');
    const at = Number(rank);
    if (at >= tokens.length || tokens[at] !== undefined)
      throw refuse(i + 1, `has the rank ${at}, which is not free`);
    const token = Buffer.from(base64, 'base64').toString('latin1');
    if (token.length === 0 || token.length > LONGEST)
      throw refuse(i + 1, 'has a token of an impossible length');
    tokens[at] = token;
  }
  const all = tokens.filter((token) => token !== undefined);
  if (new Set(all).size !== all.length)
    throw new FastvError('malformed-model', 'a token stands twice', { where });
  return all;
}

/** What a token's bytes become when they are joined with the ranks below its own. */
function halvesOf(token: string, rank: number, ranks: ReadonlyMap<string, number>): string[] {
  const parts = Array.from(token);
  while (parts.length > 2) {
    let [best, at] = [rank, -1];
    for (let i = 0; i + 1 < parts.length; i++) {
      const joined = ranks.get((parts[i] ?? '') + (parts[i + 1] ?? ''));
      if (joined !== undefined && joined < best) [best, at] = [joined, i];
    }
    if (at < 0) break;
    parts.splice(at, 2, (parts[at] ?? '') + (parts[at + 1] ?? ''));
  }
  return parts;
}

/** Bytes as byte-level tokenizers write them: printable ones of latin-1 as they are, the others from U+0100 on. */
function printable(token: string): string {
  return Array.from(token, (byte) => BYTES[byte.charCodeAt(0)] ?? '').join('');
}

const BYTES: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const seen = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(seen ? byte : next++);
  });
}
