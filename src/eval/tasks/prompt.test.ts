import { describe, expect, it } from 'vitest';
import { letteredChoices, renderPrompt } from './prompt.js';

const lookup =
  (values: Record<string, string | null>) =>
  (name: string): string | null =>
    values[name] ?? null;

describe('renderPrompt', () => {
  it('fills fields in and leaves out lines that say so where their field is empty', () => {
    const lines = ['{?hint}Context: {hint}', '{question}', '', 'Answer.'];
    expect(renderPrompt(lines, lookup({ hint: 'h', question: 'q' }))).toBe('Context: h\nq\n\nAnswer.');
    expect(renderPrompt(lines, lookup({ hint: ' ', question: 'q' }))).toBe('q\n\nAnswer.');
  });

  it('refuses a line whose field is not there: a wrong name, or an empty field', () => {
    expect(() => renderPrompt(['{qestion}', 'Answer.'], lookup({ question: 'q' }))).toThrow(
      /needs {qestion}/,
    );
    expect(() => renderPrompt(['{a} and {b}'], lookup({ a: 'x', b: ' ' }))).toThrow(/needs {b}/);
  });

  it('keeps lines by condition', () => {
    const lines = ['{?choices}letter', '{!choices}word'];
    expect(renderPrompt(lines, lookup({ choices: 'A. x' }))).toBe('letter');
    expect(renderPrompt(lines, lookup({}))).toBe('word');
  });

  it('never takes what a field says for a template', () => {
    expect(renderPrompt(['{a}'], lookup({ a: '{b} {?c} $& $1', b: 'no' }))).toBe('{b} {?c} $& $1');
  });

  it('takes pieces out of fields', () => {
    expect(
      renderPrompt(['{q}'], lookup({ q: 'Is it? Please answer yes or no.' }), [' Please answer yes or no.']),
    ).toBe('Is it?');
  });

  it('letters choices', () => {
    expect(letteredChoices(['x', 'y'])).toBe('A. x\nB. y');
  });
});
