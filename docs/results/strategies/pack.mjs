// Adds the answers of runs to those that are kept: node docs/results/strategies/pack.mjs docs/results/strategies/answers-2.txt RUN…
import { existsSync } from 'node:fs';
import { fullyAnswered, readAnswers, writeAnswers } from './answers.mjs';

const [file, ...runs] = process.argv.slice(2);
if (file === undefined || runs.length === 0) {
  console.error('usage: node docs/results/strategies/pack.mjs ANSWERS.txt RUN…');
  process.exit(1);
}
const known = existsSync(file) ? [file] : [];
const before = fullyAnswered(await readAnswers(known)).conditions.length;
const questions = await readAnswers([...known, ...runs]);
const answered = fullyAnswered(questions);
const { conditions, full } = answered;
if (before > 0 && conditions.length !== before) {
  console.error(`nothing is written: ${file} has ${before} conditions, and with these runs there were ${conditions.length}`);
  process.exit(1);
}
writeAnswers(file, answered);
console.error(`${full.length} of ${questions.size} questions have all ${conditions.length} conditions: ${file}`);
