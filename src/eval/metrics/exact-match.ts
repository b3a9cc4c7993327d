/** Exact match, after case, white space and (unless it carries meaning) punctuation are put aside. */

/** The text in lower case, with single spaces and without surrounding punctuation. */
export function normalizeText(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/gu, ' ')
    .trim()
    .replace(/^[\p{P}\p{S}\s]+(?=[\p{L}\p{N}])|(?<=[\p{L}\p{N}])[\p{P}\p{S}\s]+$/gu, '');
}

/** 1 if the prediction equals one of the answers after `normalizeText`, else 0. */
export function exactMatch(prediction: string, answers: readonly string[]): 0 | 1 {
  const said = normalizeText(prediction);
  return answers.some((answer) => normalizeText(answer) === said) ? 1 : 0;
}
