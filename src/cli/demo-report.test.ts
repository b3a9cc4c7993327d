import { parseHTML } from 'linkedom';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { demoReport, type DemoRun } from './demo-report.js';
import { answersTable, isRight, type DemoResult, type DemoSummary } from './demo-results.js';
import type { Measured } from '../bench/in-turns.js';

const HOSTILE = `"><script>alert('&')</script>`;
const RUN: DemoRun = {
  ...{
    layer: 2,
    repeat: 3,
    seconds: 41.4,
    model: 'scenes-llava',
    dtype: 'q8',
    machine: 'a processor, 2 cores',
  },
  date: new Date('2026-11-25T18:50:12Z'),
};

function measured(text: string, prefillMs = 409): Measured {
  return {
    ...{ text, tokens: 1, ttftMs: 420, prefillMs, totalMs: 500 },
    ...{ tokensPerSecond: undefined, report: undefined, runs: 1 },
  };
}

/** A question about some pictures, pruned at each of the ratios. */
async function result(count: number, ratios: readonly number[], words = 'red'): Promise<DemoResult> {
  const picture = { data: new Uint8ClampedArray(12), width: 2, height: 2 };
  const png = await sharp(picture.data, { raw: { width: 2, height: 2, channels: 3 } })
    .png()
    .toBuffer();
  const each = <T>(value: T): T[] => Array.from({ length: count }, () => value);
  const report = {
    ...{ layer: [2], ratio: [0.5], strategy: 'attention', flopsRatio: 0.5, decodeSteps: 1 },
    ...{ kvBytes: { pruned: 1, full: 2 }, ms: { vision: 1, prefill: 1, decode: 1 } },
    layerTokens: [],
    rows: [{ sequence: 9, imageTokens: 144, keptImageTokens: 72, keptIndices: [], images: [] }],
  } as DemoResult['runs'][number]['report'];
  return {
    ...{ title: words, question: words, answer: words, original: measured(words) },
    pictures: each(picture),
    descriptions: each(`${words}, a dog at the left`),
    runs: ratios.map((ratio) => {
      const overlays = each({ png, kept: 4, tokens: 9 });
      return { ratio, measured: measured(words, 390), report, overlays };
    }),
  };
}
const SUMMARY: DemoSummary[] = [null, 0.5, 0.9].map((ratio) => ({
  ...{ ratio, right: 6, sameAsOriginal: 5, questions: 7, ttftMs: 1234, prefillMs: 999 },
  ...{ prefillSpeedup: 1.25, flopsRatio: 0.5, kvRatio: 0.25 },
}));

describe('demoReport', () => {
  let document: Document;
  let html: string;
  beforeAll(async () => {
    html = await demoReport([await result(1, [0.5, 0.9]), await result(8, [0.5, 0.9])], SUMMARY, RUN);
    ({ document } = parseHTML(html));
  });

  it('escapes everything that comes from a model, a question or a machine', async () => {
    const run = { ...RUN, model: HOSTILE, dtype: HOSTILE, machine: HOSTILE };
    const evil = await demoReport([await result(1, [0.5], HOSTILE)], SUMMARY, run);
    expect(evil).not.toContain('<script');
    expect(evil).toContain("default-src 'none'");
    expect(parseHTML(evil).document.querySelector('img')?.getAttribute('alt')).toContain('<script>');
  });

  it('has every picture of a setting beside the same picture of the others', () => {
    for (const [i, section] of [...document.querySelectorAll('section')].entries()) {
      const figures = [...section.querySelectorAll('.cards > figure')];
      expect(figures).toHaveLength(3);
      for (const figure of figures) expect(figure.querySelectorAll('img')).toHaveLength(i === 0 ? 1 : 8);
    }
  });

  it('says in alternative texts what a picture shows and what was kept of it', () => {
    const alts = [...document.querySelectorAll('img')].map((img) => img.getAttribute('alt'));
    expect(alts[0]).toBe('Picture: red, a dog at the left');
    expect(alts[1]).toBe('Picture at R = 50%: 4 of 9 patches kept, the others dark and hatched');
    expect(alts[3 + 7]).toBe('Picture 8 of 8: red, a dog at the left');
    expect(alts.at(-1)).toMatch(/^Picture 8 of 8 at R = 90%/);
  });

  it('breaks no line between a number and its unit', () => {
    const captions = [...document.querySelectorAll('figcaption')].map((c) => c.textContent);
    expect(captions).toHaveLength(6);
    for (const text of [...captions, document.querySelector('.summary')?.textContent ?? '']) {
      expect(text).not.toMatch(/\d (?:ms|s|x|image)\b|= \d|prefill \d/u);
    }
    expect(captions[1]).toContain('prefill\u00a0390\u00a0ms');
    for (const fact of document.querySelectorAll('figcaption .unit'))
      expect(fact.textContent).not.toMatch(/ (?!·)/u);
  });

  it('knows one run from several', async () => {
    expect(html).toContain('of medians of 3 runs');
    const once = await demoReport([], SUMMARY, { ...RUN, repeat: 1 });
    expect(once).toContain('of one run each');
  });

  it('says what ran where and when', () => {
    const texts = [...document.querySelectorAll('table.text tr')].map((row) => row.textContent.trim());
    expect(texts).toEqual([
      ...['modelscenes-llava', 'weightsq8', 'machinea processor, 2 cores', 'date2026-11-25 18:50 UTC'],
    ]);
  });

  it('has a column a setting, so that it fits a phone', () => {
    const heads = [...document.querySelectorAll('.summary thead th')].map((th) => th.textContent);
    expect(heads).toEqual(['original', 'R\u00a0=\u00a050%', 'R\u00a0=\u00a090%']);
    const rows = [...document.querySelectorAll('.summary tbody tr')];
    expect(rows.map((row) => row.querySelector('th')?.textContent)).toEqual([
      ...['right answers', 'as original', 'first tokens', 'prefill', 'speed-up', 'FLOPs', 'KV memory'],
    ]);
    for (const row of rows) expect(row.querySelectorAll('td')).toHaveLength(3);
    expect(html).toContain('width=device-width');
  });
});

describe('answersTable', () => {
  it('has a heading for every answer', async () => {
    const [head, first] = answersTable([await result(1, [0.5, 0.9])]);
    expect(head).toMatch(/^question +expected +original +R=50% +R=90%$/);
    expect(first?.split(/ +/)).toEqual(['red', 'red', 'red', 'red', 'red']);
    expect(answersTable([])).toHaveLength(1);
  });
});

it('compares answers without case and full stop', () => {
  expect(isRight(' Two. ', 'two')).toBe(true);
  expect(isRight('two dogs', 'two')).toBe(false);
});
