import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeAnswerer } from '../../test/eval/fake-answerer.js';
import { loadAtlas } from '../scenes/atlas.js';
import { makeItem } from '../scenes/dataset.js';
import { runSweep } from '../eval/sweep.js';
import { findTasks } from '../eval/tasks/index.js';
import { escapeHtml, jsonForScript } from './escape.js';
import { findFailures } from './failures.js';
import type { Result } from '../eval/result.js';
import { writeReport } from './write-report.js';

const EVIL = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&\u0000';

describe('escaping', () => {
  it('leaves no way out of text, attributes or scripts', () => {
    expect(escapeHtml(EVIL)).not.toMatch(/[<>"']/);
    expect(escapeHtml(EVIL)).not.toContain('\u0000');
    expect(jsonForScript({ a: EVIL })).not.toMatch(/[<>&]/);
    expect(JSON.parse(jsonForScript({ a: EVIL }))).toEqual({ a: EVIL });
  });
});

describe('findFailures', () => {
  it('takes what was right and became wrong, a few a task', () => {
    const result = (condition: string, sample: string, score: number): Result =>
      ({ condition, task: 't', sample, score }) as unknown as Result;
    const results = ['1', '2', '3', '4', '5'].flatMap((s) => [
      result('unpruned', s, s === '1' ? 0 : 1),
      result('x', s, s === '2' ? 1 : 0),
    ]);
    expect(findFailures(results, 'x').map((f) => f.pruned.sample)).toEqual(['3', '4', '5']);
    expect(findFailures(results, 'x', 'unpruned', 1)).toHaveLength(1);
    expect(findFailures(results, 'absent')).toEqual([]);
  });
});

describe('writeReport', () => {
  const out = mkdtempSync(join(tmpdir(), 'fastv-report-'));
  let html: string;
  let document: ReturnType<typeof parseHTML>['document'];
  beforeAll(async () => {
    const atlas = loadAtlas();
    const families = ['existence', 'color', 'size'] as const;
    const items = families.flatMap((f) =>
      Array.from({ length: 12 }, (_, i) => makeItem('test', f, i, atlas)),
    );
    const answers = new Map(items.map((i) => [i.question, i.answer]));
    const model = fakeAnswerer({ truth: (prompt) => answers.get(prompt), model: `fake ${EVIL}` });
    const answer = model.answer.bind(model);
    // a model may say anything
    model.answer = async (asks, condition) =>
      (await answer(asks, condition)).map((a) => (a.text.startsWith('wrong') ? { ...a, text: EVIL } : a));
    const grid = {
      layers: [2, 3],
      ratios: [0.5, 0.9],
      strategies: ['attention'],
      seeds: [0, 1, 2],
      baselineLayers: [2],
    } as const;
    await runSweep(model, {
      out,
      tasks: findTasks(families.map((f) => `scenes-${f}`)),
      grid,
      limit: 12,
      about: { question: EVIL },
    });
    const written = await writeReport(out);
    expect(written[0]).toBe(join(out, 'report.html'));
    html = readFileSync(join(out, 'report.html'), 'utf8');
    document = parseHTML(html).document;
  }, 120_000);

  it('writes one file that needs no other, and the plots beside it', () => {
    expect(
      readdirSync(out)
        .filter((f) => /\.(svg|png|html)$/.test(f))
        .sort(),
    ).toEqual([
      ...[
        'heat-map-flops.png',
        'heat-map-flops.svg',
        'heat-map.png',
        'heat-map.svg',
        'pareto.png',
        'pareto.svg',
      ],
      ...['report.html', 'tasks.png', 'tasks.svg'],
    ]);
    expect(html).not.toMatch(/(?:src|href)="(?!data:image\/png;base64,)/);
    expect(html).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
    expect(document.querySelectorAll('svg')).toHaveLength(4);
  });

  it('runs its own script only', () => {
    expect(document.querySelectorAll('script')).toHaveLength(2);
    expect(document.querySelectorAll('[onerror]')).toHaveLength(0);
    expect(html).toMatch(/default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-/);
    expect(html).toContain('&lt;img src=x');
  });

  it('has samples behind every number, and a gallery of failures with images', () => {
    const samples = JSON.parse(document.getElementById('samples')?.textContent ?? '[]') as unknown[][];
    const buttons = [...document.querySelectorAll('button.n')];
    expect(buttons.length).toBeGreaterThan(30);
    for (const button of buttons) {
      const [task, condition] = [button.getAttribute('data-task'), button.getAttribute('data-condition')];
      expect(
        samples.some(
          (s) =>
            (task === null || s[0] === task) &&
            String(s[1]).replace(/-s\d+$/, '') === condition?.replace(/-s\d+$/, ''),
        ),
      ).toBe(true);
    }
    expect(document.querySelectorAll('.failures article').length).toBeGreaterThan(0);
    expect(document.querySelector('.failures img')?.getAttribute('src')).toMatch(
      /^data:image\/png;base64,iVBOR/,
    );
  });

  it('refuses a folder without a run', async () => {
    await expect(writeReport(tmpdir())).rejects.toMatchObject({ code: 'io' });
  });

  it('has where dropped tokens lie, if the same model was analysed into the folder', async () => {
    const share = (n: number) => new Array(n).fill(0.5) as number[];
    const bias = {
      ...{ layer: 1, ratio: 0.5, byPosition: [1, ...share(8), 0], byRow: share(5), byColumn: share(5) },
      correlation: { position: -0.25, row: null, column: 0 },
    };
    const allocation = { system: 0.5, image: 0.25, instruction: 0.25, output: 0 };
    const analysis = {
      ...{
        layers: [allocation, allocation],
        tokens: { system: 2, image: 4, instruction: 2, output: 0 },
        rows: 1,
      },
      ...{ imageMaps: [share(4), share(4)], positionBias: [bias] },
    };
    const file = join(out, 'allocation.json');
    writeFileSync(file, JSON.stringify({ model: 'another', ...analysis }));
    await writeReport(out);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).not.toContain('Where dropped tokens lie');
    writeFileSync(file, JSON.stringify({ model: `fake ${EVIL}`, ...analysis }));
    const written = await writeReport(out);
    expect(written).toContain(join(out, 'position-bias.png'));
    const page = parseHTML(readFileSync(join(out, 'report.html'), 'utf8')).document;
    expect(page.querySelectorAll('svg')).toHaveLength(8);
    const heading = [...page.querySelectorAll('h2')].find(
      (h) => h.textContent === 'Where dropped tokens lie',
    );
    const cells = [...(heading?.nextElementSibling?.nextElementSibling?.querySelectorAll('td') ?? [])];
    expect(cells.map((c) => c.textContent)).toEqual([
      ...['1', '100.0 50.0 50.0 50.0 50.0 50.0 50.0 50.0 50.0 0.0'],
      ...['50.0 50.0 50.0 50.0 50.0', '50.0 50.0 50.0 50.0 50.0', '-0.25', '—', '0.00'],
    ]);
  });
});
