import { describe, expect, it } from 'vitest';
import { renderTemplate } from './template-process.js';

const fault = (template: string): Promise<unknown> =>
  renderTemplate(template, { messages: [{ role: 'user', content: 'a question' }] }).then(
    (text) => `a text of ${text.length}`,
    (error: unknown) => error,
  );

describe('renderTemplate', () => {
  it('gives what the template makes of its context', async () => {
    const template = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ bos_token }}';
    const messages = [{ role: 'user', content: 'a\ud800 ü' }];
    expect(await renderTemplate(template, { messages, bos_token: '<s>' })).toBe('user: a\ud800 ü\n<s>');
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
    expect(await renderTemplate('{{ 1 + 1 }}', {})).toBe('2');
  });

  it('renders those that are asked for at once one after the other', async () => {
    const texts = await Promise.all(['a', 'b', 'c'].map((t) => renderTemplate('{{ t }}', { t })));
    expect(texts).toEqual(['a', 'b', 'c']);
  });
});
