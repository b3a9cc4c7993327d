// Writes the tables of README.md anew from the JSON beside it: node docs/results/strategies/page.mjs. With --check it only
// says whether they are what the JSON has.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { markdownTable as table } from '../../../scripts/markdown-table.mjs';
import { cutOf } from './cut-of.mjs';

const here = (name) => new URL(name, import.meta.url);
const json = (name) => (existsSync(here(name)) ? JSON.parse(readFileSync(here(name), 'utf8')) : undefined);

const signed = (x) => (x > 0 ? `+${x.toFixed(1)}` : x.toFixed(1).replace('-', '−'));
const family = (name) => name.replace(/^scenes-(hard-)?/u, '');

/** Each condition of a run against the unpruned model, by family the worst. */
function judged({ questions, conditions, families }) {
  const rows = Object.entries(conditions).map(([name, { score, difference, halfInterval, worst, hallucinated }]) => [
    name === 'unpruned' ? name : `\`${name}\``,
    score.toFixed(1),
    name === 'unpruned' ? '' : `${signed(difference)} ± ${halfInterval.toFixed(1)}`,
    name === 'unpruned' ? '' : `${family(worst[0])} ${signed(worst[1])}`,
    `${hallucinated[0]} of ${hallucinated[1]}`,
  ]);
  const names = Object.keys(conditions);
  const byFamily = Object.entries(families).map(([name, { questions: n, right }]) => [
    family(name),
    n,
    ...names.map((condition) => right[condition]),
  ]);
  return [
    `${questions} questions, the same ones under every condition.`,
    table(['condition', 'score', 'against unpruned', 'worst family', '“yes” where “no” is right'], rows),
    'Right answers by family:',
    table(['family', 'questions', ...names.map((n) => n.replace('-scope+sizes+mean', ''))], byFamily),
  ].join('\n\n');
}

/** Every rule at one K and each R, the best at R = 90 % first; what has no K and R of its own after them; families at R = 90 %. */
function board({ questions, conditions, families, ceiling }) {
  const cuts = Object.entries(conditions)
    .filter(([name]) => cutOf(name))
    .map(([name, own]) => ({ ...cutOf(name), name, ...own }));
  const { score: whole, hallucinated } = conditions.unpruned;
  const perFamily = Object.values(families).map((own) => own.questions);
  const [least, most] = [Math.min(...perFamily), Math.max(...perFamily)];
  const [{ layer }] = cuts;
  const ratios = [...new Set(cuts.map(({ ratio }) => ratio))].sort((a, b) => a - b);
  const of = (rule, ratio) => cuts.find((cut) => cut.rule === rule && cut.ratio === ratio);
  const rules = [...new Set(cuts.map(({ rule }) => rule))].sort((a, b) => of(b, 90).score - of(a, 90).score);
  const parts = [
    `K = ${layer}: ${questions} questions, ${least === most ? least : `${least} to ${most}`} a family, the same ones under every condition. The unpruned model is at **${whole.toFixed(1)}**; \`random\` is the mean of five seeds.`,
    table(
      ['rule', ...ratios.map((ratio) => `R = ${ratio} %`), 'worst family at 90 %', '“yes” for “no” at 90 %'],
      [
        ...rules.map((rule) => {
          const { worst, hallucinated: said } = of(rule, 90);
          const scores = ratios.map((ratio) => {
            const { score, halfInterval } = of(rule, ratio);
            return `${score.toFixed(1)} ± ${halfInterval.toFixed(1)}`;
          });
          return [`\`${rule}\``, ...scores, `${family(worst[0])} ${signed(worst[1])}`, `${said[0]} of ${said[1]}`];
        }),
        [
          'ceiling of selection alone',
          ...ratios.map((ratio) => ceiling[`K${layer}-R${ratio}`]?.score.toFixed(1) ?? ''),
          '',
          `unpruned: ${hallucinated[0]} of ${hallucinated[1]}`,
        ],
      ],
    ),
  ];
  const others = Object.entries(conditions).filter(([name]) => name !== 'unpruned' && !cutOf(name));
  if (others.length > 0)
    parts.push(
      'Schedules by themselves and at a mean of 86 tokens a layer (`M86`), which is what R = 50 % behind K = 2 comes to, and pictures whose features were averaged to as few tokens:',
      table(
        ['condition', 'score', 'against unpruned', 'worst family'],
        others
          .sort(([, a], [, b]) => b.score - a.score)
          .map(([name, own]) => [
            `\`${name}\``,
            own.score.toFixed(1),
            `${signed(own.difference)} ± ${own.halfInterval.toFixed(1)}`,
            `${family(own.worst[0])} ${signed(own.worst[1])}`,
          ]),
      ),
    );
  const shown = cuts.filter(({ ratio }) => ratio === 90).sort((a, b) => b.score - a.score);
  const names = Object.keys(families);
  parts.push(
    `By family, percent, K = ${layer} and R = 90 %:`,
    table(
      ['rule', ...names.map(family)],
      [{ name: 'unpruned', rule: 'unpruned' }, ...shown].map(({ name, rule }) => [
        rule === 'unpruned' ? rule : `\`${rule}\``,
        ...names.map((one) => ((100 * families[one].right[name]) / families[one].questions).toFixed(0)),
      ]),
    ),
  );
  return parts.join('\n\n');
}

/** What choosing costs. */
function selectors({ shape, images, rows }) {
  const tokens = [...new Set(rows.map(({ imageTokens }) => imageTokens))];
  return tokens
    .map((count) => {
      const own = rows.filter(({ imageTokens }) => imageTokens === count);
      const ratios = [...new Set(own.map(({ ratio }) => ratio))];
      const names = [...new Set(own.map(({ strategy }) => strategy))];
      const cells = (strategy) =>
        ratios.map((r) => {
          const { selectorMs = NaN, prefillMs = NaN } =
            own.find(({ ratio, strategy: name }) => ratio === r && name === strategy) ?? {};
          return `${selectorMs.toFixed(1)} ms, ${((100 * selectorMs) / prefillMs).toFixed(2)} %`;
        });
      return [
        `${shape}, ${count} image tokens${images === 1 ? '' : ` of ${images} images, each picked from by itself`}; a prefill takes ${Math.round(own[0].prefillMs)} ms of processor time:`,
        table(['strategy', ...ratios.map((r) => `R = ${Math.round(100 * r)} %`)], names.map((name) => [name, ...cells(name)])),
      ].join('\n\n');
    })
    .join('\n\n');
}

/** What is realised of what theory promises. */
function theory({ command, date, machine, rows }) {
  const times = (x) => (x === undefined ? '' : `${x.toFixed(3)}×`);
  return [
    table(
      ['', 'processor seconds', 'speed-up', 'theory (the paper’s formula)', 'of theory', 'of every matrix product', 'KV MiB'],
      rows.map(({ name, cpuSeconds, range, speedup, theory: promised, ofExact, kvMiB }) => [
        name,
        `${cpuSeconds.toFixed(1)} (${range.map((x) => x.toFixed(1)).join('–')})`,
        times(speedup),
        times(promised),
        speedup === undefined ? '' : (speedup / promised).toFixed(2),
        ofExact?.toFixed(2) ?? '',
        kvMiB.toFixed(0),
      ]),
    ),
    `\`${command}\`; ${machine}; ${date}.`,
  ].join('\n\n');
}

const parts = {
  test: () => json('judged.json') && judged(json('judged.json').scenes),
  hard: () => json('judged.json') && judged(json('judged.json')['scenes-hard']),
  board: () => {
    const boards = ['board-2.json', 'board-4.json'].map(json).filter((one) => one !== undefined);
    return boards.length === 0 ? undefined : boards.map(board).join('\n\n');
  },
  theory: () => json('theory.json') && theory(json('theory.json')),
  selectors: () => json('selectors.json') && selectors(json('selectors.json')),
  'selectors-images': () => json('selectors-10-images.json') && selectors(json('selectors-10-images.json')),
};

let page = readFileSync(here('README.md'), 'utf8');
for (const [name, make] of Object.entries(parts)) {
  const made = make();
  if (made === undefined) continue;
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  if (from < 0 || to < 0) throw new Error(`README.md has no place for ${name}`);
  page = `${page.slice(0, from + open.length)}\n\n${made}\n\n${page.slice(to)}`;
}
if (!process.argv.includes('--check')) writeFileSync(here('README.md'), page);
else if (page !== readFileSync(here('README.md'), 'utf8'))
  throw new Error('the tables are not those of the JSON: node docs/results/strategies/page.mjs');
