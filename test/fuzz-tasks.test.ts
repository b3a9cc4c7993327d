// Task files and the rows that they are about: whatever they say, the task is refused with its file and field, or its
// samples can be asked, shown and scored. FASTV_FUZZ=10000 tries that many.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FastvError } from '../src/errors.js';
import { METRICS } from '../src/eval/metrics/index.js';
import { scoreReply, scoreTask, type ScoredSample } from '../src/eval/score.js';
import { openTask } from '../src/eval/tasks/open-task.js';
import { parseTask } from '../src/eval/tasks/parse-task.js';
import { below, mutated, pick, seeds, someText, timeLimit } from './hostile-text.js';
import { seededRandom, type Random } from './toy/random.js';

const COUNT = seeds(600);
/** Longer than any of these takes on a busy machine. */
const SECONDS = 10;

const TASKS: [unknown, ...unknown[]] = [
  {
    name: 'choices',
    about: 'what is seen',
    source: 'a paper',
    data: { kind: 'repository', repository: 'owner/data', split: 'test' },
    where: { kind: 'a', index: { below: 100 } },
    images: { fields: ['image'] },
    prompt: ['{?hint} {hint}', '{question}', '{choices}', 'Answer with the letter.'],
    remove: ['<image>'],
    choices: { list: 'options' },
    answer: { choice: 'answer', as: 'index' },
    metric: 'multiple-choice',
    category: 'kind',
    group: { field: 'index', modulo: 2 },
    maxTokens: 16,
  },
  {
    name: 'open',
    data: { kind: 'repository', repository: 'owner/data', config: ['data'], split: 'test' },
    explode: ['options', 'scores'],
    images: { fields: ['image', 'image2'] },
    prompt: ['{question} {options}', '{!hint} Answer in a word.'],
    answer: { field: 'answers', all: true, item: 'text' },
    metric: 'vqa',
    maxTokens: 16,
  },
  {
    name: 'video',
    data: { kind: 'annotations', repository: 'owner/data', questions: 'q.json', answers: 'a.json', on: 'id' },
    images: { video: 'video', frames: 2 },
    prompt: ['{question}'],
    answer: { field: 'answer' },
    metric: 'exact-match',
    maxTokens: 4,
  },
  {
    name: 'box',
    data: { kind: 'files', repository: 'owner/data', files: ['data/test.jsonl'] },
    explode: ['options'],
    images: { fields: ['image'] },
    prompt: ['Where in <image 1> is {options}?'],
    answer: { box: 'box' },
    metric: 'box-iou',
    group: ['id', 'kind'],
    interleaved: true,
    maxTokens: 16,
  },
  {
    name: 'within',
    data: { kind: 'repository', repository: 'owner/data', split: 'test' },
    images: { fields: ['image'] },
    prompt: ['{listed}', '{bracket-choices}'],
    choices: { within: 'listed' },
    answer: { choice: 'letter', as: 'letter' },
    metric: 'multiple-choice',
    maxTokens: 16,
  },
  {
    name: 'scene',
    data: { kind: 'scenes', split: 'test', family: 'color' },
    images: { fields: ['image'] },
    prompt: ['{question}'],
    answer: { field: 'answer' },
    metric: 'exact-match',
    maxTokens: 4,
  },
];

const ROW = {
  id: 'q1',
  index: 4,
  kind: 'a',
  hint: null,
  question: 'Which <image>?',
  options: ['a cat', 'a dog'],
  scores: [1, 0],
  answer: 1,
  answers: [{ text: 'dog' }, { text: 'cat' }],
  image: 'picture.png',
  image2: null,
  video: 'none.mp4',
  box: [1, 2, 3, 4],
  listed: 'Which? (A) a cat (B) a dog',
  letter: 'B',
};

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-fuzz-tasks-'));
  mkdirSync(join(folder, 'owner', 'data', 'data'), { recursive: true });
  await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } }).toFile(
    join(folder, 'owner', 'data', 'data', 'picture.png'),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, text: string): void {
  const file = join(folder, 'owner', 'data', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** A few changes, or none. */
function damaged(value: unknown, random: Random): unknown {
  let result = value;
  for (let i = below(random, 3); i > 0; i--) result = mutated(result, random);
  return result;
}

/** The text of a file, sometimes cut short or with something in its middle. */
function fileOf(value: unknown, random: Random): string {
  const text = JSON.stringify(value);
  const at = below(random, text.length);
  const draw = random();
  return draw < 0.05
    ? text.slice(0, at)
    : draw < 0.1
      ? text.slice(0, at) + someText(random) + text.slice(at)
      : text;
}

/** Reads a task over damaged rows, and scores what might be replied. */
async function attempt(random: Random): Promise<string> {
  const text = fileOf(damaged(pick<unknown>(random, TASKS), random), random);
  write('data/test.jsonl', Array.from({ length: 3 }, () => fileOf(damaged(ROW, random), random)).join('\n'));
  write('q.json', fileOf([damaged(ROW, random), damaged(ROW, random)], random));
  write('a.json', fileOf([damaged(ROW, random)], random));
  let task: ReturnType<typeof openTask> | undefined;
  try {
    task = openTask(parseTask(text, 'task.json'), { folders: [folder] });
    const scored: ScoredSample[] = [];
    for await (const sample of task.samples()) {
      expect(sample.prompt).not.toBe('');
      const images = await sample.images();
      sample.answersOn?.(images);
      const { metric } = task.task;
      for (const reply of [someText(random), sample.answers[0] ?? 'A', 'The answer is B.']) {
        const { score, choice } = scoreReply(metric, sample, { text: reply });
        if (score !== null) expect(score >= 0 && score <= 1, `${JSON.stringify(metric)} ${score}`).toBe(true);
        const { answers, category, group, choices } = sample;
        scored.push({
          prediction: reply,
          score,
          answers,
          category,
          group,
          choice,
          options: choices?.length ?? null,
        });
      }
      if (scored.length >= 9) break;
    }
    scoreTask(task.task.metric, scored);
    return 'scored';
  } catch (error) {
    if (error instanceof FastvError) return error.code;
    throw error;
  } finally {
    await task?.close();
  }
}

it('every task file is refused or can be asked', { timeout: timeLimit(COUNT, 100) }, async () => {
  const ends = new Set<string>();
  for (let seed = 0; seed < COUNT; seed++) {
    const start = performance.now();
    try {
      ends.add(await attempt(seededRandom(seed * 15_485_863 + 3)));
    } catch (cause) {
      throw new Error(`seed ${seed} ended in ${String(cause)}`, { cause });
    }
    expect((performance.now() - start) / 1000, `seconds of seed ${seed}`).toBeLessThan(SECONDS);
  }
  for (const end of ['invalid-input', 'invalid-option', 'scored']) expect(ends).toContain(end);
});

it('every metric scores every reply', () => {
  for (let seed = 0; seed < COUNT; seed++) {
    const random = seededRandom(seed * 32_452_843 + 1);
    const metric = pick(random, METRICS as unknown as [(typeof METRICS)[number]]);
    const choices =
      random() < 0.5 ? Array.from({ length: 1 + below(random, 5) }, () => someText(random)) : null;
    const answers = choices === null ? [someText(random)] : [choices[0] ?? ''];
    const target = { choices, answers, answerIndex: choices === null ? null : 0 };
    try {
      const { score } = scoreReply(metric.name, target, { text: someText(random) });
      if (score !== null)
        expect(score >= 0 && score <= 1, `${metric.name}, seed ${seed}: ${score}`).toBe(true);
    } catch (error) {
      if (!(error instanceof FastvError)) throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
});
