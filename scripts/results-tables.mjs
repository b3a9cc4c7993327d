// Writes the tables of docs/results/README.md, and of the pages of single results, from the points.json beside them, so that
// page and numbers cannot differ:
//
//     node scripts/results-tables.mjs [--check]
//
// A table stands between `<!-- points FOLDER -->`, `<!-- families FOLDER -->` or `<!-- sizes FOLDER -->` and `<!-- end -->`. With
// --check nothing is written, and a page that is not what it would be ends it with 1.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { markdownTable } from './markdown-table.mjs';

const results = new URL('../docs/results/', import.meta.url);
const pointsOf = (folder) => JSON.parse(readFileSync(new URL(`${folder}/points.json`, results), 'utf8'));
const familyOf = (task) => task.replace(/^scenes-/u, '');
const kinds = { points: table, families, sizes };

const shown = new Set();
for (const name of ['README.md', 'resolution/README.md']) {
  const page = new URL(name, results);
  const text = readFileSync(page, 'utf8');
  const written = text.replace(
    /(<!-- (points|families|sizes) ([\w-]+) -->\n\n)(?:[^]*?\n\n)??(<!-- end -->)/gu,
    (_, begin, kind, folder, end) => {
      shown.add(folder);
      return `${begin}${kinds[kind](folder)}\n\n${end}`;
    },
  );
  if (!process.argv.includes('--check')) writeFileSync(page, written);
  else if (written !== text) {
    console.error(`${fileURLToPath(page)} is not what its points.json say: node scripts/results-tables.mjs`);
    process.exitCode = 1;
  }
}

const missing = readdirSync(results).filter(
  (folder) => existsSync(new URL(`${folder}/points.json`, results)) && !shown.has(folder),
);
if (missing.length > 0) throw new Error(`no page has a place for the points of ${missing.join(', ')}`);

/** Every condition of a sweep; a star is before those that none beats at as few FLOPs. */
function table(folder) {
  const { points, front } = pointsOf(folder);
  const percent = (share) => (100 * share).toFixed(1);
  const head = [
    'condition',
    'score %',
    '95% interval',
    'against unpruned (Holm)',
    'worst task',
    'loyalty %',
    'FLOPs %',
    'KV %',
  ];
  const rows = [
    ['', ...head, 'samples'],
    ...points.map((point) => {
      const { name, score, difference, worst, loyalty, flopsRatio, kvRatio, samples } = point;
      return [
        front.includes(name) ? '*' : '',
        ...[name, percent(score.estimate), `[${percent(score.low)}, ${percent(score.high)}]`],
        difference === null ? '' : `${percent(difference.estimate)} (p ${difference.pHolm.toFixed(3)})`,
        worst === null ? '' : `${familyOf(worst.task)} ${percent(worst.difference)}`,
        loyalty === null ? '—' : percent(loyalty),
        ...[percent(flopsRatio), percent(kvRatio), String(samples)],
      ];
    }),
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const lines = rows.map(([star, ...cells]) => {
    const padded = cells.map((cell, i) => cell.padEnd(widths[i + 1]));
    return `${star.padEnd(1)} ${padded.join('  ')}`.trimEnd();
  });
  return ['```', ...lines, '```'].join('\n');
}

/** Percent right of each family of questions: unpruned, and by attention and by chance at each R. */
function families(folder) {
  const { points } = pointsOf(folder);
  const shown = points.filter(({ kind }) => ['unpruned', 'attention', 'random'].includes(kind));
  const heads = shown.map(({ name }) => name.replace(/^K\d+-R([\d.]+)-(.+)$/u, 'R=$1%<br>$2'));
  const tasks = Object.keys(points[0].byTask);
  return markdownTable(
    ['', ...heads],
    tasks.map((task) => [familyOf(task), ...shown.map(({ byTask }) => Math.round(100 * byTask[task]))]),
  );
}

/**
 * Percent right of each family at the first size and at the last, and intervals of the paired differences, from compared.json
 * (`fastv compare RUN --json`). A star: p < 0.05, by Holm.
 */
function sizes(folder) {
  const { tasks, systems } = JSON.parse(readFileSync(new URL(`${folder}/compared.json`, results), 'utf8'));
  const last = systems.findLast(({ name }) => name.endsWith('px-unpruned')).name.split('-')[0];
  const shown = systems.filter(({ name }, i) => i === 0 || name.startsWith(`${last}-`));
  const points = (share) => `${share < 0 ? '−' : '+'}${Math.abs(Math.round(100 * share))}`;
  const cell = ({ score, difference, pHolm }) => {
    if (difference === null) return Math.round(100 * score);
    const { low, high } = difference;
    const interval = low === 0 && high === 0 ? '' : ` (${points(low)} to ${points(high)})`;
    return `${Math.round(100 * score)}${interval}${pHolm < 0.05 ? '*' : ''}`;
  };
  return markdownTable(
    ['', ...shown.map(({ name }) => `\`${name}\``)],
    tasks.map(({ name }) => [familyOf(name), ...shown.map(({ scores }) => cell(scores[name]))]),
  );
}
