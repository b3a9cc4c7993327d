import { build } from 'esbuild';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderTemplate } from './template-process.js';

/** A template in its process. */
const rendered = (template: string, context: unknown): Promise<string> =>
  renderTemplate({
    template,
    context: () => context,
    here: () => {
      throw new Error('there is a process for it');
    },
  });

const fault = (template: string): Promise<unknown> =>
  rendered(template, { messages: [{ role: 'user', content: 'a question' }] }).then(
    (text) => `a text of ${text.length}`,
    (error: unknown) => error,
  );

describe('renderTemplate', () => {
  it('gives what the template makes of its context', async () => {
    const template = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ bos_token }}';
    const messages = [{ role: 'user', content: 'a\ud800 ü' }];
    expect(await rendered(template, { messages, bos_token: '<s>' })).toBe('user: a\ud800 ü\n<s>');
  });

  it.each([
    ['a range of a thousand million', '{% for i in range(1000000000) %}{% endfor %}'],
    [
      'texts that double',
      `{% set ns = namespace(t='abcdefgh') %}{% for i in range(40) %}{% set ns.t = (ns.t ~ ns.t)|upper %}{% endfor %}`,
    ],
    ['loops in loops', '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}'],
    [
      'a text without end',
      `{% for a in range(2000) %}{% for b in range(2000) %}abcdefgh{% endfor %}{% endfor %}`,
    ],
    ['what raises', `{{ raise_exception('no system role') }}`],
    ['what is no template', '{% for'],
    ['nesting without end', '{{ ' + '('.repeat(100_000)],
  ])('refuses %s, and takes no memory here', async (_, template) => {
    const before = process.memoryUsage.rss();
    expect(await fault(template)).toMatchObject({
      code: 'invalid-input',
      message: expect.stringMatching(/^the chat template (takes|gives|fails)/u) as string,
    });
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20);
    // and the next one is rendered as ever
    expect(await rendered('{{ 1 + 1 }}', {})).toBe('2');
  });

  it('renders those that are asked for at once one after the other', async () => {
    const texts = await Promise.all(['a', 'b', 'c'].map((t) => rendered('{{ t }}', { t })));
    expect(texts).toEqual(['a', 'b', 'c']);
  });

  it('renders here in a CommonJS bundle, whose modules have no place, and limits the time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fastv-template-'));
    const outfile = join(folder, 'bundle.cjs');
    await build({
      entryPoints: [fileURLToPath(new URL('template-process.ts', import.meta.url))],
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      logLevel: 'silent',
    });
    const bundle = createRequire(import.meta.url)(outfile) as { renderTemplate: typeof renderTemplate };
    await rm(folder, { recursive: true });
    const ask = (here: () => string): Promise<string> =>
      bundle.renderTemplate({ template: '', context: () => ({}), here });
    expect(await ask(() => 'a text')).toBe('a text');
    await expect(
      ask(() => {
        for (;;);
      }),
    ).rejects.toThrow('the chat template takes more than 2 seconds');
  });
});
