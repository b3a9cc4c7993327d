import { parseHTML } from 'linkedom';
import { expect, it } from 'vitest';
import { EVIL } from '../../test/analysis/points.js';
import { htmlTable } from './table.js';

it('escapes cells, heads and marks, and leaves what is HTML', () => {
  const html = htmlTable({
    head: ['', EVIL],
    rows: [{ cells: [EVIL, { html: '<b>made here</b>' }], className: EVIL }],
    foot: [{ cells: ['mean', 1] }],
    rowHeads: true,
    className: 'text',
  });
  expect(html).not.toMatch(/<script|<img/);
  const { document } = parseHTML(html);
  expect(document.querySelector('thead th')?.textContent).toContain('</script>');
  expect(document.querySelector('tbody th')?.textContent).toContain('</script>');
  expect(document.querySelector('b')?.textContent).toBe('made here');
  expect(document.querySelector('tfoot td')?.textContent).toBe('1');
  // a column without a name has no empty heading
  expect(document.querySelectorAll('th:empty')).toHaveLength(0);
});
