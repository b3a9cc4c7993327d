// Adds the answers of runs to those that are kept: node docs/results/strategies/pack.mjs docs/results/strategies/answers-2.txt RUN…
import { existsSync } from 'node:fs';
import { fullyAnswered, readAnswers, writeAnswers } from './answers.mjs';

const [file, ...runs] = process.argv.slice(2);
if (file === undefined || runs.length === 0) {
  console.error('usage: node docs/results/strategies/pack.mjs ANSWERS.txt RUN…');
  process.exit(1);
}
const questions = await readAnswers([...(existsSync(file) ? [file] : []), ...runs]);
writeAnswers(file, questions);
const { conditions, full } = fullyAnswered(questions);
console.error(`${full.length} of ${questions.size} questions have all ${conditions.length} conditions: ${file}`);
