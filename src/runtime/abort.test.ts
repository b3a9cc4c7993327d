import { describe, expect, it, vi } from 'vitest';
import { abortable } from './abort.js';

describe('abortable', () => {
  it('is the promise where nothing aborts it', async () => {
    const discard = vi.fn();
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(3), signal, discard)).toBe(3);
    expect(await abortable(Promise.resolve(4), undefined, discard)).toBe(4);
    await expect(abortable(Promise.reject(new Error('no')), signal, discard)).rejects.toThrow('no');
    expect(discard).not.toHaveBeenCalled();
  });

  it('rejects at once, and discards what comes later', async () => {
    const stop = new AbortController();
    const discarded: number[] = [];
    let finish: (value: number) => void = () => expect.fail();
    const slow = new Promise<number>((resolve) => (finish = resolve));
    const waiting = abortable(slow, stop.signal, (value) => discarded.push(value));
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    finish(5);
    await slow;
    await Promise.resolve();
    expect(discarded).toEqual([5]);
    await expect(abortable(slow, stop.signal, (value) => discarded.push(value))).rejects.toThrow('enough');
  });
});
