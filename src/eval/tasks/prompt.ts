/** Prompts from templates: one pass, so what a field says is never taken for a template. */
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

/**
 * Fills a template in (see `Task.prompt`).
 * @param remove pieces that are taken out of what the fields say
 */
export function renderPrompt(
  lines: readonly string[],
  lookup: Lookup,
  remove: readonly string[] = [],
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
    const names = [...rest.matchAll(/\{([\w.-]+)\}/g)].map((m) => m[1] ?? '');
    if (names.some((name) => value(name) === null)) continue;
    out.push(rest.replace(/\{([\w.-]+)\}/g, (_, name: string) => value(name) ?? ''));
  }
  return out.join('\n');
}
