// Writes the tables of docs/results/README.md, and of the pages of single results, from the points.json beside them, so that
// page and numbers cannot differ:
//
//     node scripts/results-tables.mjs [--check]
//
// A table stands between `<!-- points FOLDER -->`, `<!-- families FOLDER -->` or `<!-- sizes FOLDER -->` and `<!-- end -->`. With
// --check nothing is written, and a page that is not what it would be ends it with 1.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const results = new URL('../docs/results/', import.meta.url);
const pointsOf = (folder) => JSON.parse(readFileSync(new URL(`${folder}/points.json`, results), 'utf8'));
const kinds = { points: table, families, sizes };

for (const name of ['README.md', 'resolution/README.md']) {
  const page = new URL(name, results);
  const text = readFileSync(page, 'utf8');
  const written = text.replace(
    /(<!-- (points|families|sizes) ([\w-]+) -->\n\n)(?:[^]*?\n\n)??(<!-- end -->)/gu,
    (_, begin, kind, folder, end) => `${begin}${kinds[kind](folder)}\n\n${end}`,
  );
  if (!process.argv.includes('--check')) writeFileSync(page, written);
  else if (written !== text) {
    console.error(`${fileURLToPath(page)} is not what its points.json say: node scripts/results-tables.mjs`);
    process.exitCode = 1;
  }
}

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
        worst === null ? '' : `${worst.task.replace(/^scenes-/u, '')} ${percent(worst.difference)}`,
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
  return [
    `| | ${heads.join(' | ')} |`,
    `|---|${'---:|'.repeat(heads.length)}`,
    ...tasks.map((task) => {
      const cells = shown.map(({ byTask }) => Math.round(100 * byTask[task]));
      return `| ${task.replace(/^scenes-/u, '')} | ${cells.join(' | ')} |`;
    }),
  ].join('\n');
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
  return [
    `| | ${shown.map(({ name }) => `\`${name}\``).join(' | ')} |`,
    `|---|${'---:|'.repeat(shown.length)}`,
    ...tasks.map(({ name: task }) => {
      const cells = shown.map(({ scores }) => {
        const { score, difference, pHolm } = scores[task];
        if (difference === null) return Math.round(100 * score);
        const { low, high } = difference;
        const interval = low === 0 && high === 0 ? '' : ` (${points(low)} to ${points(high)})`;
        return `${Math.round(100 * score)}${interval}${pHolm < 0.05 ? '*' : ''}`;
      });
      return `| ${task.replace(/^scenes-/u, '')} | ${cells.join(' | ')} |`;
    }),
  ].join('\n');
}
