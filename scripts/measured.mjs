// Writes what was measured into the documents, from the committed JSON of docs/results/, so that page and numbers cannot
// differ:
//
//     node scripts/measured.mjs [--check]
//
// A table or text stands between `<!-- measured FOLDER/NAME -->` and `<!-- /measured -->` and is that of
// docs/results/FOLDER/measurements.json; `FOLDER/on` is the sentence that says when and where. With --check nothing is
// written, and a page that is not what it would be ends it with 1. What the benchmarks print they write too, in the shape
// of an entry, a line a table: FASTV_BENCH_TABLES=FILE npm run bench -- …
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const results = new URL('docs/results/', root);
const documents = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md'));

const measured = new Map();
for (const folder of readdirSync(results)) {
  try {
    const text = readFileSync(new URL(`${folder}/measurements.json`, results), 'utf8');
    measured.set(folder, JSON.parse(text));
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(error.code)) throw error;
  }
}

const shown = new Set();
for (const path of ['README.md', ...documents.map((name) => `docs/${name}`)]) {
  const file = new URL(path, root);
  const page = readFileSync(file, 'utf8');
  const written = page.replace(
    /(<!-- measured ([\w-]+)\/([\w-]+) -->\n\n)(?:[^]*?\n\n)??(<!-- \/measured -->)/gu,
    (_, begin, folder, name, end) => `${begin}${entry(folder, name)}\n\n${end}`,
  );
  if (written === page) continue;
  if (!process.argv.includes('--check')) writeFileSync(file, written);
  else {
    console.error(`${path} is not what was measured: node scripts/measured.mjs`);
    process.exitCode = 1;
  }
}
for (const [folder, { tables }] of measured) {
  const missing = Object.keys(tables).filter((name) => !shown.has(`${folder}/${name}`));
  if (missing.length > 0) fail(`no document has a place for ${missing.join(', ')} of ${folder}`);
}

/** What stands in a document for an entry. */
function entry(folder, name) {
  shown.add(`${folder}/${name}`);
  const { date, machine, tables } = measured.get(folder) ?? fail(`nothing of ${folder} was measured`);
  if (name === 'on') return `Measured on ${machine}, ${date}.`;
  const { text, ...own } = tables[name] ?? fail(`there is no ${name} of ${folder}`);
  return text ?? table(name, own);
}

function table(name, { columns, align, rows, ...own }) {
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
