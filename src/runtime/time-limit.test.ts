import { Template } from '@huggingface/jinja';
import { describe, expect, it, vi } from 'vitest';
import { withTimeLimit } from './time-limit.js';

describe('withTimeLimit', () => {
  it('gives what the function gives', () => {
    expect(withTimeLimit(1000, 'it', () => 'text')).toBe('text');
  });

  it('ends a chat template that loops for ever', () => {
    const loop = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
    const start = performance.now();
    expect(() => withTimeLimit(300, 'the chat template', () => new Template(loop).render({}))).toThrow(
      expect.objectContaining({
        code: 'invalid-input',
        message: 'the chat template takes more than 0.3 seconds',
      }),
    );
    expect(performance.now() - start).toBeLessThan(20_000);
    // so does the limit of whoever calls one that has a longer one
    expect(() =>
      withTimeLimit(300, 'the outer one', () =>
        withTimeLimit(60_000, 'the inner one', () => new Template(loop).render({})),
      ),
    ).toThrow('the outer one takes more than 0.3 seconds');
    // and the process goes on as ever
    expect(withTimeLimit(1000, 'it', () => new Template('{{ 1 + 1 }}').render({}))).toBe('2');
  });

  it('gives more time where the processor worked for others', () => {
    const never = new Int32Array(new SharedArrayBuffer(4));
    let calls = 0;
    const slow = (): string => {
      calls++;
      Atomics.wait(never, 0, 0, 600); // as little work as any
      return 'text';
    };
    expect(withTimeLimit(400, 'it', slow)).toBe('text');
    expect(calls).toBeGreaterThan(1);
  });

  it('says typed what a chat template refuses', () => {
    const refuse = (): never => {
      throw new Error('no system role\n  at the second line');
    };
    const refused = { code: 'invalid-input', message: 'the chat template fails: no system role' };
    expect(() => withTimeLimit(1000, 'the chat template', refuse)).toThrow(expect.objectContaining(refused));
  });

  it('ends it on the first versions of Node 20 too, which have no getBuiltinModule', async () => {
    vi.stubGlobal('process', { versions: process.versions });
    vi.resetModules();
    const early = await import('./time-limit.js');
    vi.unstubAllGlobals();
    vi.stubGlobal('process', { versions: process.versions });
    await new Promise((done) => setTimeout(done, 50));
    const loop = (): never => {
      for (;;);
    };
    expect(() => early.withTimeLimit(100, 'it', loop)).toThrow('it takes more than 0.1 seconds');
    vi.unstubAllGlobals();
  });
});
