import { expect, it } from 'vitest';
import { demoReport, escapeHtml } from './demo-report.js';
import { isRight, type DemoResult } from './demo-results.js';
import type { Measured } from '../bench/in-turns.js';

it('escapes everything that comes from a model or a question', async () => {
  const hostile = `"><script>alert('&')</script>`;
  expect(escapeHtml(hostile)).toBe('&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;');
  const measured: Measured = {
    text: hostile,
    tokens: 1,
    ttftMs: 1,
    prefillMs: 1,
    totalMs: 1,
    tokensPerSecond: undefined,
    report: undefined,
    runs: 1,
  };
  const picture = { data: new Uint8ClampedArray(12), width: 2, height: 2 };
  const result: DemoResult = {
    title: hostile,
    question: hostile,
    answer: hostile,
    pictures: [picture],
    original: measured,
    runs: [],
  };
  const html = await demoReport([result], [], { layer: 2, repeat: 1, seconds: 1 });
  expect(html).not.toContain('<script');
  expect(html).toContain("default-src 'none'");
});

it('compares answers without case and full stop', () => {
  expect(isRight(' Two. ', 'two')).toBe(true);
  expect(isRight('two dogs', 'two')).toBe(false);
});
