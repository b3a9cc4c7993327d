import { describe, expect, it, vi } from 'vitest';
import { guarded, reasonOf } from './tell.js';

const never = (): never => expect.fail();

describe('guarded', () => {
  it('passes on what it is called with', () => {
    const seen: number[] = [];
    guarded((a: number, b: number) => seen.push(a, b), never)(1, 2);
    expect(seen).toEqual([1, 2]);
  });

  it('does nothing without a listener', () => {
    expect(() => {
      guarded(undefined, never)();
    }).not.toThrow();
  });

  it('says what was thrown, or rejected later', async () => {
    const failed = vi.fn();
    const [now, later] = [new Error('now'), new Error('later')];
    guarded(() => {
      throw now;
    }, failed)();
    guarded(() => Promise.reject(later), failed)();
    await Promise.resolve();
    await Promise.resolve();
    expect(failed.mock.calls).toEqual([[now], [later]]);
  });
});

describe('reasonOf', () => {
  it('is one line, whatever it is', () => {
    expect(reasonOf(new Error('a\nb'))).toBe('a');
    expect(reasonOf('x')).toBe('x');
    expect(reasonOf(undefined)).toBe('undefined');
  });
});
