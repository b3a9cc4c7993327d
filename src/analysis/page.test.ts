import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { EVIL } from '../../test/analysis/points.js';
import { htmlPage, pngImage, unbroken } from './page.js';

describe('htmlPage', () => {
  it('runs its own script or none', () => {
    const none = htmlPage({ title: EVIL, body: '<p>text</p>' });
    expect(none).not.toMatch(/<script|script-src/);
    const own = htmlPage({ title: EVIL, body: '', script: 'let a = 1;' });
    expect(parseHTML(own).document.querySelectorAll('script')).toHaveLength(1);
    expect(own).toMatch(
      /default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[^']+'/,
    );
    expect(own).not.toMatch(/<img/);
  });

  it('is as wide as a phone, and follows the screen’s light', () => {
    const html = htmlPage({ title: 'a', body: '' });
    expect(html).toContain('width=device-width');
    expect(html).toContain('prefers-color-scheme: dark');
  });
});

it('puts images into the page, with what they show', () => {
  const html = pngImage(Buffer.from('png'), EVIL, 'picture');
  expect(html).toContain('src="data:image/png;base64,cG5n"');
  expect(html.match(/</g)).toHaveLength(1);
  expect(parseHTML(html).document.querySelector('img')?.getAttribute('alt')).toContain('<script>');
});

it('does not break a number from its unit', () => {
  expect(unbroken('prefill 409 ms')).toBe('prefill&nbsp;409&nbsp;ms');
  expect(unbroken(EVIL)).not.toMatch(/[<> ]/);
});
