import { describe, expect, it } from 'vitest';
import { printable, printableLine } from './printable.js';

describe('printable', () => {
  it('leaves text in any language alone', () => {
    const text = 'Grüße, 世界, שלום, 👩‍👩‍👧: a\tb\nc';
    expect(printable(text)).toBe(text);
  });

  it.each([
    ['\u001b]0;PWNED\u0007', '\\x1b]0;PWNED\\x07'],
    ['\u001b[2J', '\\x1b[2J'],
    ['\u009b31m', '\\x9b31m'],
    ['right\rwrong', 'right\\x0dwrong'],
    ['a\u202egpj.exe', 'a\\u202egpj.exe'],
    ['\u0000', '\\x00'],
  ])('writes %j out', (text, written) => {
    expect(printable(text)).toBe(written);
    expect(printable(written)).toBe(written);
  });

  it('keeps a name on one line', () => {
    expect(printableLine('a\nerror: b\tc')).toBe('a\\nerror: b\\tc');
  });
});
