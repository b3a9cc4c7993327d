import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerParts, type AnswerPart } from './answer-parts.js';
import { writtenCall } from './tools.js';

/** What a reader makes of an answer that comes in these pieces. */
function read(
  pieces: readonly string[],
  calls = true,
): { text: string; calls: { name: string; text: string }[] } {
  const parts = new AnswerParts(calls);
  const all: AnswerPart[] = [...pieces.flatMap((piece) => parts.add(piece)), ...parts.end()];
  const said = { text: '', calls: [] as { name: string; text: string }[] };
  for (const part of all) {
    if (part.kind === 'text') said.text += part.text;
    else if (part.kind === 'call') said.calls.push({ name: part.name, text: '' });
    else {
      const last = said.calls.at(-1) ?? expect.fail('arguments of no call');
      last.text += part.text;
    }
  }
  expect(parts.calls).toBe(said.calls.length);
  return said;
}

const call = (name: string, args: string): string => writtenCall({ function: { name, arguments: args } });

describe('an answer with calls', () => {
  const tricky = JSON.stringify({ a: '}\n</tool_call>{"', b: [1, { c: '\\"' }] });
  const whole = `I look.\n${call('look', tricky)}\n${call('count', '{}')}`;

  it('is the same however it is cut into pieces', () => {
    const expected = {
      text: 'I look.',
      calls: [
        { name: 'look', text: tricky },
        { name: 'count', text: '{}' },
      ],
    };
    const cuts = fc.uniqueArray(fc.nat({ max: whole.length }));
    fc.assert(
      fc.property(cuts, (places) => {
        const at = [0, ...places.sort((a, b) => a - b), whole.length];
        expect(read(at.map((from, index) => whole.slice(from, at[index + 1])))).toEqual(expected);
      }),
    );
  });

  it('keeps text that only begins like a call, and gives what was cut short as far as it came', () => {
    expect(read(['a <tool', '_box> ', 'b'])).toEqual({ text: 'a <tool_box> b', calls: [] });
    expect(read(['a <tool'])).toEqual({ text: 'a <tool', calls: [] });
    expect(read([call('look', '{"a":1}').slice(0, -16)])).toEqual({
      text: '',
      calls: [{ name: 'look', text: '{"a":' }],
    });
    expect(read(['<tool_call>\n{"na'])).toEqual({ text: '', calls: [] });
  });

  it('is text where nothing may be called', () => {
    expect(read([whole], false)).toEqual({ text: whole, calls: [] });
  });
});
