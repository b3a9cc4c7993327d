// Sums up runs, or the shards of one, for the tables of README.md:
//
//     node docs/results/strategies/judge.mjs board-2.json runs/k2 [RUN…]
//
// Only questions that every condition has answered count, so that a run that was ended early is judged fairly. Families count the
// same; differences from the unpruned model are paired; seeds of `random` are one rule, the mean of theirs. `ceiling` is how many
// questions are right under at least one rule of selection alone: what a chooser would reach that knows which rule to trust.
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cutOf } from './cut-of.mjs';

const [out, ...folders] = process.argv.slice(2);
if (out === undefined || folders.length === 0) {
  console.error('usage: node docs/results/strategies/judge.mjs OUT.json RUN…');
  process.exit(1);
}
const questions = new Map();
for (const folder of folders)
  for await (const line of createInterface({ input: createReadStream(join(folder, 'results.jsonl')) })) {
    if (!line.endsWith('}')) continue; // cut off where the run was
    const { task, sample, condition, score, prediction, answers } = JSON.parse(line);
    const name = `${task}\n${sample}`;
    const known = questions.get(name) ?? { task, answers, scores: new Map(), said: new Map() };
    questions.set(name, known);
    known.scores.set(condition, score);
    known.said.set(condition, prediction);
  }

/** `K2-R90-random-s3` → `K2-R90-random`. */
const ruleOf = (condition) => condition.replace(/-random-s\d+/u, '-random');
const conditions = [...new Set([...questions.values()].flatMap(({ scores }) => [...scores.keys()]))];
const rules = new Map();
for (const condition of conditions) rules.set(ruleOf(condition), [...(rules.get(ruleOf(condition)) ?? []), condition]);

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values) => values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / Math.max(1, values.length - 1);
const full = [...questions.values()].filter(({ scores }) => conditions.every((condition) => scores.has(condition)));
const tasks = [...new Set(full.map(({ task }) => task))].sort();
const of = (task) => full.filter((question) => question.task === task);
const scoreOf = ({ scores }, rule) => mean(rules.get(rule).map((condition) => scores.get(condition)));
const tenth = (share) => Math.round(1000 * share) / 10;

function judged(rule) {
  const byTask = tasks.map((task) => of(task).map((q) => scoreOf(q, rule) - scoreOf(q, 'unpruned')));
  const losses = byTask.map(mean);
  const worst = losses.indexOf(Math.min(...losses));
  const absent = full.filter(({ answers }) => answers.length === 1 && answers[0].toLowerCase() === 'no');
  const saidYes = ({ said }) =>
    mean(rules.get(rule).map((condition) => (/^yes\.?$/iu.test(said.get(condition).trim()) ? 1 : 0)));
  const error = Math.sqrt(byTask.reduce((sum, own) => sum + variance(own) / own.length, 0)) / tasks.length;
  return {
    score: tenth(mean(tasks.map((task) => mean(of(task).map((q) => scoreOf(q, rule)))))),
    difference: tenth(mean(losses)),
    halfInterval: tenth(1.96 * error),
    worst: [tasks[worst], tenth(losses[worst])],
    hallucinated: [Math.round(10 * absent.reduce((sum, q) => sum + saidYes(q), 0)) / 10, absent.length],
  };
}

/** Rules of selection alone at each K and R, by what comes before their names. */
function ceilings() {
  const groups = new Map();
  for (const rule of rules.keys()) {
    const found = cutOf(rule);
    if (found === undefined || /\+|^random$/u.test(found.rule)) continue;
    const cut = `K${found.layer}-R${found.ratio}`;
    groups.set(cut, [...(groups.get(cut) ?? []), rule]);
  }
  return Object.fromEntries(
    [...groups]
      .filter(([, own]) => own.length > 1)
      .map(([cut, own]) => {
        const best = (q) => Math.max(...own.map((rule) => scoreOf(q, rule)));
        return [cut, { rules: own.length, score: tenth(mean(tasks.map((task) => mean(of(task).map(best))))) }];
      }),
  );
}

const families = Object.fromEntries(
  tasks.map((task) => {
    const right = (rule) => Math.round(10 * of(task).reduce((sum, q) => sum + scoreOf(q, rule), 0)) / 10;
    return [task, { questions: of(task).length, right: Object.fromEntries([...rules.keys()].map((rule) => [rule, right(rule)])) }];
  }),
);
const result = {
  questions: full.length,
  families,
  conditions: Object.fromEntries([...rules.keys()].map((rule) => [rule, judged(rule)])),
  ceiling: ceilings(),
};
writeFileSync(out, `${JSON.stringify(result, null, 1)}\n`);
console.error(`${full.length} of ${questions.size} questions have all ${conditions.length} conditions: ${out}`);
