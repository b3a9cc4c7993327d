/**
 * Prompts from templates: one pass, so what a field says is never taken for a template. A field that a line names must
 * be there: a question that loses a line silently is another question.
 */
import { FastvError } from '../../errors.js';
import { letter } from '../metrics/multiple-choice.js';

/** What a name in a template stands for; null and the empty text are "not there". */
export type Lookup = (name: string) => string | null;

/** The choices as lines: "A. a cat". */
export function letteredChoices(choices: readonly string[]): string {
  return choices.map((choice, i) => `${letter(i)}. ${choice}`).join('\n');
}

/** The choices on one line: "(A) a cat (B) a dog". */
export function inlineChoices(choices: readonly string[]): string {
  return choices.map((choice, i) => `(${letter(i)}) ${choice}`).join(' ');
}

/** The choices one a line: "(A) a cat". */
export function bracketChoices(choices: readonly string[]): string {
  return choices.map((choice, i) => `(${letter(i)}) ${choice}`).join('\n');
}

/**
 * Fills a template in (see `Task.prompt`).
 * @param remove pieces that are taken out of what the fields say
 * @param missing makes the error for a field that is not there
 * @throws FastvError for a line that names a field which is not there, unless a condition leaves the line out
 */
export function renderPrompt(
  lines: readonly string[],
  lookup: Lookup,
  remove: readonly string[] = [],
  missing: (name: string) => FastvError = missingField,
): string {
  const values = new Map<string, string | null>();
  const value = (name: string): string | null => {
    const known = values.get(name);
    if (known !== undefined) return known;
    const found = lookup(name);
    const text = found === null ? null : remove.reduce((t, piece) => t.replaceAll(piece, ''), found).trim();
    values.set(name, text === '' ? null : text);
    return values.get(name) ?? null;
  };
  const out: string[] = [];
  for (const line of lines) {
    const condition = /^\{([?!])([\w.-]+)\}/.exec(line);
    if (condition !== null && (value(condition[2] ?? '') !== null) !== (condition[1] === '?')) continue;
    const rest = line.slice(condition?.[0].length ?? 0);
    out.push(
      rest.replace(/\{([\w.-]+)\}/g, (_, name: string) => {
        const text = value(name);
        if (text === null) throw missing(name);
        return text;
      }),
    );
  }
  return out.join('\n');
}

function missingField(name: string): FastvError {
  return new FastvError('invalid-input', `the prompt needs {${name}}, which is absent or empty`, {
    hint: `check the name, or begin the line with {?${name}} to leave it out where there is none`,
  });
}
