// The tasks that came after the first ones: each reads a row with the columns in which its dataset is published.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { findTasks } from './index.js';
import { openTask } from './open-task.js';
import type { Sample } from './sample.js';
import { SHORT_ANSWER } from './task.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-later-tasks-'));
let png: Buffer;
beforeAll(async () => {
  const background = { r: 10, g: 20, b: 30 };
  png = await sharp({ create: { width: 40, height: 20, channels: 3, background } })
    .png()
    .toBuffer();
});

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

async function read(name: string, images?: string): Promise<Sample[]> {
  const [task = expect.fail()] = findTasks([name]);
  const folder = images === undefined ? {} : { imageFolder: join(root, images) };
  const opened = openTask(task, { folders: [root], ...folder });
  const samples: Sample[] = [];
  for await (const sample of opened.samples()) {
    await sample.images();
    samples.push(sample);
  }
  await opened.close();
  return samples;
}

const LETTERS = "Answer with the option's letter from the given choices directly";
const MMSTAR = 'Which?\nOptions: A: a cat, B: a dog, C: an owl, D: a fly';
const REALWORLD =
  'Which?\n\nA. a cat\nB. a dog\nPlease answer directly with only the letter of the correct option.';
const VSTAR = `Which?\n(A) a cat\n(B) a dog\n${LETTERS}.`;

it.each([
  [
    'ocrbench',
    'echo840/OCRBench/data/test.jsonl',
    { dataset: 'HME100k', question: 'What?', question_type: 'Doc-oriented VQA', answer: ['a', 'b'] },
    { prompt: 'What?', answers: ['a', 'b'], category: 'Doc-oriented VQA' },
  ],
  [
    'docvqa',
    'lmms-lab/DocVQA/DocVQA/validation.jsonl',
    { questionId: '1', question: 'What?', question_types: ['form'], docId: 7, answers: ['a'] },
    { prompt: `What?\n${SHORT_ANSWER}`, answers: ['a'] },
  ],
  [
    'infovqa',
    'lmms-lab/DocVQA/InfographicVQA/validation.jsonl',
    { questionId: '1', question: 'What?', answers: ['a', 'an a'], answer_type: ['span'] },
    { prompt: `What?\n${SHORT_ANSWER}`, answers: ['a', 'an a'] },
  ],
  [
    'chartqa',
    'lmms-lab/ChartQA/data/test.jsonl',
    { type: 'human_test', question: 'How much?', answer: '12' },
    { prompt: 'How much?\nAnswer the question with a single word.', answers: ['12'], category: 'human_test' },
  ],
  [
    'mmstar',
    'Lin-Chen/MMStar/val.jsonl',
    { index: 0, question: MMSTAR, answer: 'B', category: 'math', l2_category: 'geometry', meta_info: {} },
    {
      prompt: `${MMSTAR}\n${LETTERS}`,
      choices: ['a cat', 'a dog', 'an owl', 'a fly'],
      answerIndex: 1,
      category: 'math',
    },
  ],
  [
    'vizwiz',
    'lmms-lab/VizWiz-VQA/data/val.jsonl',
    { question_id: '1', question: 'What?', answers: ['x', 'y'], category: 'other' },
    {
      prompt: `What?\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n${SHORT_ANSWER}`,
      ...{ answers: ['x', 'y'], category: 'other' },
    },
  ],
  [
    'hallusion-bench',
    'lmms-lab/HallusionBench/data/image.jsonl',
    {
      ...{
        category: 'VD',
        subcategory: 'illusion',
        visual_input: '1',
        set_id: '3',
        figure_id: '1',
        question_id: '0',
      },
      ...{ question: 'Is it?', gt_answer: '1', gt_answer_details: 'It is.', filename: 'x.png' },
    },
    {
      prompt: `Is it? Please answer yes or no. ${SHORT_ANSWER}`,
      ...{ answers: ['1'], category: 'illusion', group: 'VD/illusion/3/1/0' },
    },
  ],
  [
    'countbench-qa',
    'vikhyatk/CountBenchQA/data/test.jsonl',
    { text: 'three cats', question: 'How many cats?', number: 3 },
    { prompt: expect.stringMatching(/^Look at .* text\. How many cats\?$/) as string, answers: ['3'] },
  ],
  [
    'realworldqa',
    'lmms-lab/RealWorldQA/data/test.jsonl',
    { question: REALWORLD, answer: 'B', image_path: 'x.webp' },
    { prompt: REALWORLD, choices: ['a cat', 'a dog'], answerIndex: 1 },
  ],
  [
    'realworldqa',
    'lmms-lab/RealWorldQA/data/test.jsonl',
    { question: 'How many? Please answer with a number.', answer: '2', image_path: 'x.webp' },
    { choices: null, answers: ['2'], answerIndex: null },
  ],
  [
    'vstar-bench',
    'lmms-lab/vstar-bench/data/test.jsonl',
    { text: VSTAR, category: 'direct_attributes', label: 'A', question_id: '0' },
    { prompt: VSTAR, choices: ['a cat', 'a dog'], answerIndex: 0, category: 'direct_attributes' },
  ],
] as [string, string, Record<string, unknown>, Record<string, unknown>][])(
  '%s reads %s',
  async (name, path, row, expected) => {
    write(join(dirname(path), 'a.png'), png);
    write(path, JSON.stringify({ ...row, image: 'a.png' }));
    const [sample, ...more] = await read(name);
    expect(more).toEqual([]);
    expect(sample).toMatchObject(expected);
  },
);

it.each(['refcoco-testa', 'refcoco-plus-testa'])(
  '%s: each sentence a question, the box in shares of the image',
  async (name) => {
    const repository = name === 'refcoco-testa' ? 'RefCOCO' : 'RefCOCOplus';
    write(`lmms-lab/${repository}/data/a.png`, png);
    const row = {
      question_id: '1',
      image: 'a.png',
      question: 'x',
      answer: ['the cat', 'left'],
      file_name: 'x',
    };
    const [of, other] = [
      { ...row, bbox: [10, 5, 20, 10] },
      { ...row, bbox: [10, 5, 0, 10] },
    ];
    write(`lmms-lab/${repository}/data/testA-00000-of-00001.jsonl`, JSON.stringify(of));
    // a split whose name begins alike
    write(`lmms-lab/${repository}/data/test-00000-of-00001.jsonl`, JSON.stringify(other));
    const samples = await read(name);
    expect(samples.map(({ prompt }) => /describes: (.*)$/.exec(prompt)?.[1])).toEqual(['the cat', 'left']);
    const [sample = expect.fail()] = samples;
    expect(sample.answersOn?.(await sample.images())).toEqual(['[0.25, 0.25, 0.75, 0.75]']);
    write(`lmms-lab/${repository}/data/testA-00000-of-00001.jsonl`, JSON.stringify(other));
    await expect(read(name)).rejects.toThrow('a box is needed');
  },
);

it('amber: questions and truths by their ids, images from a folder of their own', async () => {
  write('pictures/AMBER_1.jpg', png);
  const [queries, truths] = ['AMBER/data/query/query_discriminative.json', 'AMBER/data/annotations.json'];
  write(
    queries,
    JSON.stringify([{ id: 1005, image: 'AMBER_1.jpg', query: 'Is the sky sunny in this image?' }]),
  );
  write(
    truths,
    JSON.stringify([
      { id: 1, type: 'generative', truth: ['sky'], hallu: ['sea'] },
      { id: 1005, type: 'discriminative-attribute-state', truth: 'yes' },
    ]),
  );
  expect(await read('amber', 'pictures')).toMatchObject([
    {
      prompt: `Is the sky sunny in this image? Please answer yes or no. ${SHORT_ANSWER}`,
      ...{ answers: ['yes'], category: 'discriminative-attribute-state' },
    },
  ]);
});

it('coco-chair: the objects that an image has', async () => {
  const row = { question_id: '1', image: '1.png', gt_object: ['person', 'traffic light'] };
  write('tsunghanwu/mscoco_chair/data/1.png', png);
  write('tsunghanwu/mscoco_chair/data/test-00000-of-00001.jsonl', JSON.stringify(row));
  expect(await read('coco-chair')).toMatchObject([
    { prompt: 'Please describe this image in detail.', answers: ['person', 'traffic light'], choices: null },
  ]);
});

describe('videos', () => {
  it('video-mme: choices that begin with their letters, films in a folder of the dataset', async () => {
    const row = { videoID: 'v1', duration: 'short', question: 'What?', options: ['A. Apples.', 'B. Pears.'] };
    write('lmms-lab/Video-MME/videomme/test.jsonl', JSON.stringify({ ...row, answer: 'B' }));
    write('lmms-lab/Video-MME/data/v1/0001.png', png);
    const [sample = expect.fail()] = await read('video-mme');
    expect(sample).toMatchObject({
      choices: ['Apples.', 'Pears.'],
      answerIndex: 1,
      category: 'short',
      video: true,
    });
    expect(sample.prompt).toMatch(/\nWhat\?\nA\. Apples\.\nB\. Pears\.\nThe best answer is:$/);
  });

  it('mvbench: a file a kind, the answer by its text', async () => {
    const row = { video: 'v1.mp4', question: 'What?', candidates: ['Up.', 'Down.'], answer: 'Down.' };
    write('OpenGVLab/MVBench/json/moving_count.json', JSON.stringify([row]));
    write('OpenGVLab/MVBench/clevrer/video_validation/v1/0001.png', png);
    const [sample = expect.fail()] = await read('mvbench-moving-count');
    expect(sample).toMatchObject({ answerIndex: 1, choices: ['Up.', 'Down.'] });
    expect(sample.prompt).toMatch(
      /\nQuestion: What\?\nOptions:\n\(A\) Up\.\n\(B\) Down\.\nOnly give the best option\.$/,
    );
    expect(findTasks(['mvbench'])).toHaveLength(20);
    await expect(read('mvbench-state-change')).rejects.toThrow('no file json/state_change.json');
  });
});
