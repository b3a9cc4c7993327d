// Writes the tables of docs/performance.md from measurements.json, so that page and numbers cannot differ:
//
//     node docs/results/performance/page.mjs [--check]
//
// A table stands between `<!-- measured NAME -->` and `<!-- /measured -->`; `on` is the sentence that says when and where.
// With --check nothing is written, and a page that is not what it would be ends it with 1. What the benchmarks print they
// write too, in the shape of an entry of measurements.json, a line a table: FASTV_BENCH_TABLES=FILE npm run bench -- …
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../../performance.md', import.meta.url);
const { date, machine, tables } = JSON.parse(readFileSync(new URL('measurements.json', import.meta.url), 'utf8'));

const page = readFileSync(file, 'utf8');
const shown = new Set();
const written = page.replace(
  /(<!-- measured ([\w-]+) -->\n\n)(?:[^]*?\n\n)??(<!-- \/measured -->)/gu,
  (_, begin, name, end) => {
    shown.add(name);
    return `${begin}${name === 'on' ? `Measured on ${machine}, ${date}.` : table(name)}\n\n${end}`;
  },
);
const missing = Object.keys(tables).filter((name) => !shown.has(name));
if (missing.length > 0) throw new Error(`performance.md has no place for ${missing.join(', ')}`);
if (!process.argv.includes('--check')) writeFileSync(file, written);
else if (written !== page) {
  console.error('docs/performance.md is not what was measured: node docs/results/performance/page.mjs');
  process.exitCode = 1;
}

function table(name) {
  const { columns, align, rows, ...own } = tables[name] ?? fail(`there is no table ${name}`);
  const lines = [columns, ...rows];
  if (lines.some(({ length }) => length !== align.length)) fail(`${name}: a row has other columns`);
  const right = (i) => align[i] === 'r';
  const widths = columns.map((_, i) => Math.max(3, ...lines.map((row) => [...row[i]].length)));
  const pad = (cell, i) => {
    const blank = ' '.repeat(widths[i] - [...cell].length);
    return right(i) ? blank + cell : cell + blank;
  };
  const [head, ...body] = lines.map((row) => `| ${row.map(pad).join(' | ')} |`);
  const rule = `|${widths.map((width, i) => '-'.repeat(width + (right(i) ? 1 : 2)) + (right(i) ? ':' : '')).join('|')}|`;
  const where = [own.machine, own.date].filter((one) => one !== undefined).join(', ');
  return [head, rule, ...body, ...(where === '' ? [] : ['', `(Measured on ${where}.)`])].join('\n');
}

function fail(message) {
  throw new Error(message);
}
