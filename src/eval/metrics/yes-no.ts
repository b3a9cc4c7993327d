/** Reading yes or no out of labels and replies, leniently; POPE and MME read replies in their own ways. */

export type YesNo = 'yes' | 'no';

/** The first of the words yes, no, not (and y, n alone) in a reply; null where there is none. */
export function parseYesNo(reply: string): YesNo | null {
  const words = reply.toLowerCase().match(/[\p{L}']+/gu) ?? [];
  if (words.length === 1 && (words[0] === 'y' || words[0] === 'n')) return words[0] === 'y' ? 'yes' : 'no';
  for (const word of words) {
    if (word === 'yes' || word === 'yeah' || word === 'yep') return 'yes';
    if (word === 'no' || word === 'not' || word === 'nope' || word.endsWith("n't")) return 'no';
  }
  return null;
}
