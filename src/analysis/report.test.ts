import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { beforeAll, describe, expect, it } from 'vitest';
import { EVIL } from '../../test/analysis/points.js';
import { fakeAnswerer } from '../../test/eval/fake-answerer.js';
import { loadAtlas } from '../scenes/atlas.js';
import { makeItem } from '../scenes/dataset.js';
import { readResults, runSweep } from '../eval/sweep.js';
import { findTasks } from '../eval/tasks/index.js';
import { escapeHtml, jsonForScript } from './escape.js';
import { findFailures, withImages } from './failures.js';
import type { Result } from '../eval/result.js';
import { ResultTable } from '../eval/results/table.js';
import type { Summary } from '../eval/summary.js';
import { reportHtml, type ReportInput } from './report.js';
import { writeReport } from './write-report.js';

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
    const result = (condition: string, sample: string, score: number): Result => ({
      ...{ key: '', condition, task: 't', sample, prompt: '', prediction: '', choice: null, options: null },
      ...{ score, answers: [], category: null, group: null, where: '' },
      cost: {
        ...{ tokens: 1, imageTokens: 1, keptImageTokens: 1, generatedTokens: 1 },
        ...{ visionMs: 1, prefillMs: 1, decodeMs: 1 },
      },
    });
    const lines = ['1', '2', '3', '4', '5']
      .flatMap((s) => [result('unpruned', s, s === '1' ? 0 : 1), result('x', s, s === '2' ? 1 : 0)])
      .map((one) => `${JSON.stringify(one)}\n`);
    const path = join(mkdtempSync(join(tmpdir(), 'fastv-failures-')), 'results.jsonl');
    writeFileSync(path, lines.join(''));
    const results = new ResultTable([path]);
    let from = 0;
    for (const line of lines) {
      results.add(JSON.parse(line) as Result, { file: 0, from });
      from += Buffer.byteLength(line);
    }
    const failures = (condition: string, perTask?: number) =>
      findFailures(results, ['t'], condition, 'unpruned', perTask);
    expect(failures('x').map((f) => f.pruned.sample)).toEqual(['3', '4', '5']);
    expect(failures('x', 1)).toHaveLength(1);
    expect(failures('absent')).toEqual([]);
  });
});

/** What a report says of results without any sweep around them. */
function reportOf(results: readonly Result[]): ReportInput {
  const summary = {
    ...{ model: 'm', options: {}, versions: {}, hardware: {}, seed: 0, complete: true, conditions: [] },
    ...{ tasks: [], cells: [], skipped: { count: 0, first: [] }, notes: [], about: {} },
  };
  const some = { title: 't', summary, points: [], front: [], plots: [], failures: [], failuresOf: null };
  return { ...some, samples: results.map((r) => ({ ...r, prompt: '', prediction: '', answers: [] })) };
}

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

  it('has the settings as a table, with nothing of JSON in it', () => {
    const heading = [...document.querySelectorAll('h2')].find((h) => h.textContent === 'Setup');
    const rows = [...(heading?.nextElementSibling?.querySelectorAll('tr') ?? [])];
    const settings = new Map(
      rows.map((row) => [row.querySelector('th')?.textContent, row.querySelector('td')?.textContent ?? '']),
    );
    expect(settings.get('options › limit')).toBe('12');
    expect(settings.get('hardware › cores')).toMatch(/^\d+$/);
    // but for the two that were given names like that
    for (const name of ['question', 'model']) expect(settings.delete(name)).toBe(true);
    for (const value of settings.values()) expect(value).not.toMatch(/[{}[\]"]/);
  });

  it('has a mean row for every condition', () => {
    const heading = [...document.querySelectorAll('h2')].find((h) => h.textContent === 'Tasks');
    const table = heading?.nextElementSibling?.querySelector('table');
    const cells = (row: Element): string[] => [...row.querySelectorAll('td')].map((c) => c.textContent);
    const rows = [...(table?.querySelectorAll('tbody tr') ?? [])].map(cells);
    const means = [...(table?.querySelectorAll('tfoot tr') ?? [])].map(cells);
    expect(new Set(means.map((row) => row[1]))).toEqual(new Set(rows.map((row) => row[1])));
    for (const [name, condition, , score, , , , , samples] of means) {
      expect(name).toBe('mean of 3 tasks');
      const own = rows.filter((row) => row[1] === condition).map((row) => Number(row[3]));
      // of numbers that are rounded to a tenth
      expect(Math.abs(Number(score) - own.reduce((a, b) => a + b, 0) / 3)).toBeLessThan(0.11);
      expect(samples).toBe('36');
    }
  });

  it('has no empty heading, and pictures that say what they are', () => {
    for (const heading of document.querySelectorAll('h1, h2, h3, th, summary, caption'))
      expect(heading.textContent.trim()).not.toBe('');
    for (const image of document.querySelectorAll('img'))
      expect(image.getAttribute('alt')).toMatch(/^picture 1 of 1 of /);
    for (const svg of document.querySelectorAll('svg')) {
      expect(svg.querySelector('title')?.textContent).not.toBe('');
      expect(svg.querySelector('desc')?.textContent).not.toBe('');
    }
    expect(html).toContain('↑ accuracy, mean of 3 tasks, %');
  });

  it('says that there are no failures, or nothing to compare', async () => {
    const base = { condition: 'unpruned', task: 't', sample: '1', score: 1 } as unknown as Result;
    const input = { ...reportOf([base]), failuresOf: 'K2-R50-attention' };
    expect(reportHtml(input)).toContain(
      'None: no sample went from fully right (score 1) to wrong (score 0) under K2-R50-attention',
    );
    expect(reportHtml({ ...input, failuresOf: null })).toContain('There is nothing to compare');
    await expect(writeReport(out, { failuresOf: 'K9' })).rejects.toMatchObject({
      code: 'invalid-option',
      hint: expect.stringContaining('K2-R50-attention') as string,
    });
  });

  it('shows failures without pictures where the dataset is not at hand', async () => {
    const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
    const away = { kind: 'repository', repository: 'nobody/nothing', split: 'test' } as const;
    const [first] = findFailures(
      await readResults(out, summary),
      summary.tasks.map(({ name }) => name),
      'K2-R90-attention',
    );
    const failures = first === undefined ? [] : [first];
    const shown = await withImages(
      failures,
      summary.tasks.map((task) => ({ ...task, data: away })),
    );
    expect(shown).toHaveLength(1);
    expect(shown[0]?.images).toEqual([]);
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
