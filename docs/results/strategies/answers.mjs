// Answers of runs, and of the text file that keeps them when the runs are gone: `answers-2.txt` and `answers-4.txt` have a line with
// the conditions, and a line a question: task, sample, the right answer, and a character a condition: 1 right, 0 wrong, y a wrong “yes”.
import { createReadStream, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const saysYes = (text) => /^yes\.?$/iu.test(text.trim());

/**
 * Questions by their names, each with its score under each condition, and where it said “yes”.
 * @param places folders of runs, or of shards of one, and files of answers
 */
export async function readAnswers(places) {
  const questions = new Map();
  const questionOf = (task, sample, answer) => {
    const name = `${task}\n${sample}`;
    const known = questions.get(name) ?? { task, sample, answer, scores: new Map(), yes: new Set() };
    questions.set(name, known);
    return known;
  };
  for (const place of places) {
    if (!statSync(place).isDirectory()) {
      readPacked(readFileSync(place, 'utf8'), questionOf);
      continue;
    }
    for await (const line of createInterface({ input: createReadStream(join(place, 'results.jsonl')) })) {
      if (!line.endsWith('}')) continue; // cut off where the run was
      const { task, sample, condition, score, prediction, answers } = JSON.parse(line);
      const { scores, yes } = questionOf(task, sample, answers.join(' | '));
      scores.set(condition, score);
      if (saysYes(prediction)) yes.add(condition);
    }
  }
  return questions;
}

function readPacked(text, questionOf) {
  const [head, ...lines] = text.trimEnd().split('\n');
  const conditions = head.split('\t');
  for (const line of lines) {
    const [task, sample, answer, marks] = line.split('\t');
    const { scores, yes } = questionOf(task, sample, answer);
    conditions.forEach((condition, i) => {
      scores.set(condition, marks[i] === '1' ? 1 : 0);
      if (marks[i] === 'y' || (marks[i] === '1' && saysYes(answer))) yes.add(condition);
    });
  }
}

/** The questions that every condition has answered, and the conditions. */
export function fullyAnswered(questions) {
  const conditions = [...new Set([...questions.values()].flatMap(({ scores }) => [...scores.keys()]))];
  const full = [...questions.values()].filter(({ scores }) => scores.size === conditions.length);
  return { conditions, full };
}

/** Keeps what every condition has answered. */
export function writeAnswers(file, { conditions, full }) {
  const lines = full
    .sort((a, b) => (`${a.task}\n${a.sample}` < `${b.task}\n${b.sample}` ? -1 : 1))
    .map(({ task, sample, answer, scores, yes }) => {
      const marks = conditions.map((condition) => {
        const score = scores.get(condition);
        if (score !== 0 && score !== 1) throw new Error(`${sample}, ${condition}: a score of ${score} is no right or wrong`);
        return score === 1 ? '1' : yes.has(condition) ? 'y' : '0';
      });
      return [task, sample, answer, marks.join('')].join('\t');
    });
  writeFileSync(file, `${[conditions.join('\t'), ...lines].join('\n')}\n`);
}
