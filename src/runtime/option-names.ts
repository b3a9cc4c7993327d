// Options that do not exist: a typing mistake must not run with the defaults without a word.
import { FastvError } from '../errors.js';
import { isRecord } from './transformers.js';

/** Names that others use for what is meant, by the name it has here. */
const SYNONYMS: Readonly<Record<string, string>> = {
  k: 'layer',
  stage: 'layer',
  stages: 'layer',
  r: 'ratio',
  rate: 'ratio',
  prune: 'ratio',
  prune_ratio: 'ratio',
  keep: 'budget',
  tokens: 'budget',
  keep_tokens: 'budget',
  strategies: 'strategy',
  method: 'strategy',
  ranking: 'strategy',
  abortsignal: 'signal',
  listener: 'onPrefill',
};

/** The known name that was probably meant; undefined if none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  const synonym = SYNONYMS[lower];
  if (synonym !== undefined && known.includes(synonym)) return synonym;
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(lower, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.candidate;
}

/** Insertions, deletions, replacements and swaps of neighbours from one text to another (optimal string alignment). */
function editDistance(from: string, to: string): number {
  const rows: number[][] = [];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Infinity;
  for (let i = 0; i <= from.length; i++) {
    const row: number[] = [];
    rows.push(row);
    for (let j = 0; j <= to.length; j++) {
      if (i === 0 || j === 0) {
        row.push(i + j);
        continue;
      }
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      const swapped =
        from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(at(i - 1, j) + 1, (row[j - 1] ?? Infinity) + 1, at(i - 1, j - 1) + same, swapped));
    }
  }
  return at(from.length, to.length);
}

/**
 * Options as an object.
 * @throws {FastvError} `invalid-option` for null, an array, a number, …
 */
export function optionsObject(given: unknown, where: string, example: string): Record<string, unknown> {
  if (isRecord(given) && !Array.isArray(given) && typeof given !== 'function') return given;
  const what = given === null ? 'null' : Array.isArray(given) ? 'an array' : typeof given;
  throw new FastvError('invalid-option', `the options are an object, not ${what}`, {
    where,
    hint: `for example ${example}`,
  });
}

/** The error of an option that does not exist. */
export function unknownOption(
  name: string,
  { where, known, hint }: { where: string; known: readonly string[]; hint?: string | undefined },
): FastvError {
  const near = nearestName(name, known);
  return new FastvError('invalid-option', `there is no option ${JSON.stringify(name)}`, {
    where,
    hint: hint ?? (near === undefined ? `There are ${known.join(', ')}.` : `Did you mean ${near}?`),
  });
}
