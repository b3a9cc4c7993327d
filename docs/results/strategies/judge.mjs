// Sums up what answers.mjs reads, for the tables of README.md:
//
//     node docs/results/strategies/judge.mjs docs/results/strategies/board-2.json docs/results/strategies/answers-2.txt
//
// Only questions that every condition has answered count, so that a run that was ended early is judged fairly. Families count the
// same; differences from the unpruned model are paired; seeds of `random` are one rule, the mean of theirs. `ceiling` is how many
// questions are right under at least one rule of selection alone: what a chooser would reach that knows which rule to trust.
import { writeFileSync } from 'node:fs';
import { fullyAnswered, readAnswers } from './answers.mjs';
import { cutOf } from './cut-of.mjs';

const [out, ...places] = process.argv.slice(2);
if (out === undefined || places.length === 0) {
  console.error('usage: node docs/results/strategies/judge.mjs OUT.json ANSWERS.txt|RUN…');
  process.exit(1);
}
const questions = await readAnswers(places);
const { conditions, full } = fullyAnswered(questions);

/** `K2-R90-random-s3` → `K2-R90-random`. */
const ruleOf = (condition) => condition.replace(/-random-s\d+/u, '-random');
const rules = new Map();
for (const condition of conditions) rules.set(ruleOf(condition), [...(rules.get(ruleOf(condition)) ?? []), condition]);

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values) => values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / Math.max(1, values.length - 1);
const tasks = [...new Set(full.map(({ task }) => task))].sort();
const of = (task) => full.filter((question) => question.task === task);
const scoreOf = ({ scores }, rule) => mean(rules.get(rule).map((condition) => scores.get(condition)));
const tenth = (share) => Math.round(1000 * share) / 10;

function judged(rule) {
  const byTask = tasks.map((task) => of(task).map((q) => scoreOf(q, rule) - scoreOf(q, 'unpruned')));
  const losses = byTask.map(mean);
  const worst = losses.indexOf(Math.min(...losses));
  const absent = full.filter(({ answer }) => answer.toLowerCase() === 'no');
  const saidYes = ({ yes }) => mean(rules.get(rule).map((condition) => (yes.has(condition) ? 1 : 0)));
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
