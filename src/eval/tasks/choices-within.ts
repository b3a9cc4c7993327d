/** Choices that a question lists in its own text, each after its letter: "(A) a cat (B) a dog", "A: a cat, B: a dog". */
import { letter } from '../metrics/multiple-choice.js';

/** How a letter is set off from its choice. */
const MARKS: readonly ((name: string) => string)[] = [
  (name) => `(${name})`,
  (name) => `${name}:`,
  (name) => `${name}.`,
  (name) => `${name})`,
];

/**
 * The choices that a text lists, from A on; null where it lists fewer than two. The last one ends with its line.
 * @example choicesWithin('Which?\nA. a cat\nB. a dog\nAnswer with a letter.') // ['a cat', 'a dog']
 */
export function choicesWithin(text: string): readonly string[] | null {
  for (const marked of MARKS) {
    const starts: { readonly at: number; readonly after: number }[] = [];
    for (let from = 0; starts.length < 26;) {
      const mark = marked(letter(starts.length));
      const at = indexOfMark(text, mark, from);
      if (at === -1) break;
      from = at + mark.length;
      starts.push({ at, after: from });
    }
    if (starts.length < 2) continue;
    return starts.map(({ after }, i) => {
      const next = starts[i + 1]?.at;
      const choice = text.slice(after, next ?? text.length).trim();
      return (next === undefined ? (choice.split('\n')[0] ?? '') : choice).replace(/[,;]$/, '').trim();
    });
  }
  return null;
}

/** A mark that begins a word and is followed by a space. */
function indexOfMark(text: string, mark: string, from: number): number {
  for (let at = text.indexOf(mark, from); at !== -1; at = text.indexOf(mark, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text[at + mark.length] ?? ' ';
    if (/\s/.test(before) && /\s/.test(after)) return at;
  }
  return -1;
}

/** A choice without the letter that it begins with: "B. a dog" → "a dog". What begins otherwise stays as it is. */
export function withoutLetter(choice: string, index: number): string {
  const text = choice.trim();
  const mark = MARKS.map((marked) => marked(letter(index))).find((one) => text.startsWith(`${one} `));
  return mark === undefined ? text : text.slice(mark.length).trim();
}
