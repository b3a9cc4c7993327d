// Every task is read from a small file in the schema in which its dataset is published.
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeParquet, type ColumnType } from '../../../test/eval/parquet-fixture.js';
import type { FastvError } from '../../errors.js';
import { scoreReply, scoreTask } from '../score.js';
import { findTasks, GROUPS, TASKS } from './index.js';
import { openTask, type OpenOptions } from './open-task.js';
import type { Sample } from './sample.js';
import { LETTER_ANSWER, SHORT_ANSWER } from './task.js';

const root = mkdtempSync(join(tmpdir(), 'fastv-tasks-'));
const images: Buffer[] = [];
const img = (i: number) => ({ bytes: new Uint8Array(images[i] ?? Buffer.alloc(0)), path: `${i}.jpg` });

beforeAll(async () => {
  for (let i = 0; i < 3; i++) {
    const color = { r: 80 * i, g: 10, b: 200 };
    images.push(
      await sharp({ create: { width: 4 + i, height: 3, channels: 3, background: color } })
        .png()
        .toBuffer(),
    );
  }
});

/** Writes a shard of a dataset. */
function shard(path: string, types: Record<string, ColumnType>, rows: Record<string, unknown>[]): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeParquet(file, types, rows, { rowGroupSize: 1 });
}

async function read(name: string, options: OpenOptions = {}): Promise<Sample[]> {
  const [task] = findTasks([name]);
  if (task === undefined) throw new Error(name);
  const opened = openTask(task, { folders: [root], ...options });
  const samples: Sample[] = [];
  for await (const sample of opened.samples()) {
    await sample.images();
    samples.push(sample);
    if (samples.length === 20) break;
  }
  await opened.close();
  return samples;
}

const words = { list: 'string' } as const;

describe('captions', () => {
  it.each([
    [
      'nocaps',
      'lmms-lab/NoCaps/data/validation-00000-of-00001.parquet',
      {
        image: 'image',
        image_id: 'int64',
        annotations_ids: { list: 'int64' },
        annotations_captions: words,
      },
      {
        image_id: 0,
        annotations_ids: [0, 1],
        annotations_captions: ['a dog', 'one dog'],
      },
    ],
    [
      'flickr30k',
      'lmms-lab/flickr30k/data/test-00000-of-00001.parquet',
      { image: 'image', caption: words, sentids: words, img_id: 'string', filename: 'string' },
      { caption: ['a dog', 'one dog'], sentids: ['0', '1'], img_id: '7', filename: '7.jpg' },
    ],
    [
      'coco-captions',
      'lmms-lab/COCO-Caption2017/data/val-00000-of-00001.parquet',
      {
        question_id: 'string',
        image: 'image',
        question: 'string',
        answer: words,
        id: 'int64',
        file_name: 'string',
      },
      {
        question_id: '1.jpg',
        question: 'Please describe',
        answer: ['a dog', 'one dog'],
        id: 1,
        file_name: '1.jpg',
      },
    ],
  ] as [string, string, Record<string, ColumnType>, Record<string, unknown>][])(
    '%s',
    async (name, path, types, row) => {
      shard(path, types, [{ ...row, image: img(0) }]);
      const [sample, ...more] = await read(name);
      expect(more).toEqual([]);
      expect(sample).toMatchObject({
        prompt: 'Provide a one-sentence caption for the provided image.',
        answers: ['a dog', 'one dog'],
        choices: null,
      });
      expect((await sample?.images())?.[0]).toMatchObject({ width: 4, height: 3 });
    },
  );
});

it("flickr30k-karpathy: the rows of Karpathy's test split, from the branch that the hub converts to", async () => {
  const types = { image: 'image', caption: words, split: 'string', filename: 'string' } as const;
  const rows = ['train', 'test', 'val'].map((split) => ({ image: img(0), caption: ['a dog'], split }));
  shard('nlphuji/flickr30k/TEST/test/0000.parquet', types, rows);
  const samples = await read('flickr30k-karpathy');
  expect(samples.map(({ where }) => where)).toEqual([expect.stringMatching(/row 1$/)]);
  const asked: string[] = [];
  const fetch = (url: string | URL | Request): Promise<Response> => {
    asked.push(url instanceof Request ? url.url : url.toString());
    return Promise.resolve(new Response('[]'));
  };
  const network = { folders: [], allowNetwork: true, endpoint: 'http://localhost:1' };
  await expect(read('flickr30k-karpathy', { ...network, fetch })).rejects.toThrow(/no files/);
  expect(asked[0]).toContain('/tree/refs%2Fconvert%2Fparquet');
});

describe('multiple choice', () => {
  const choices = ['cat', 'dog', 'owl'];
  const lettered = 'A. cat\nB. dog\nC. owl';
  it.each([
    [
      'a-okvqa',
      'HuggingFaceM4/A-OKVQA/data/validation-00000-of-00001-b2bd0de231b6326a.parquet',
      {
        image: 'image',
        question_id: 'string',
        question: 'string',
        choices: words,
        correct_choice_idx: 'int8',
        direct_answers: 'string',
        difficult_direct_answer: 'bool',
        rationales: words,
      },
      {
        question_id: 'x',
        question: 'Which?',
        choices,
        correct_choice_idx: 1,
        direct_answers: "['dog']",
        difficult_direct_answer: false,
        rationales: ['r'],
      },
      'Analyse the image and choose the best answer for the following question:\nWhich?\n' +
        'Options: (A) cat (B) dog (C) owl\nJust output the letter of the correct answer.',
    ],
    [
      'pca-bench',
      'PCA-Bench/PCA-Bench-V1/Open-World Game/test_open-00000-of-00001.parquet',
      {
        domain: 'string',
        image: 'image',
        question: 'string',
        actions: words,
        answer_index: 'int64',
        reason: 'string',
        key_concept: words,
        question_prompt: 'string',
      },
      {
        domain: 'game',
        question: 'Which?',
        actions: choices,
        answer_index: 1,
        reason: 'r',
        key_concept: ['k'],
        question_prompt: 'p',
      },
      'p',
    ],
    [
      'scienceqa-img',
      'lmms-lab/ScienceQA/ScienceQA-IMG/test-00000-of-00001.parquet',
      {
        image: 'image',
        question: 'string',
        choices: words,
        answer: 'int8',
        hint: 'string',
        subject: 'string',
      },
      { question: 'Which?', choices, answer: 1, hint: 'Look.', subject: 'natural science' },
      `Context: Look.\nQuestion: Which?\nOptions: (A) cat (B) dog (C) owl\n${LETTER_ANSWER}`,
    ],
    [
      'ai2d',
      'lmms-lab/ai2d/data/test-00000-of-00001.parquet',
      { question: 'string', options: words, answer: 'string', image: 'image' },
      { question: 'Which?', options: choices, answer: '1' },
      `Which?\n${lettered}\n${LETTER_ANSWER}`,
    ],
    [
      'mmbench',
      'lmms-lab/MMBench/en/dev-00000-of-00001.parquet',
      {
        index: 'int64',
        question: 'string',
        hint: 'string',
        answer: 'string',
        A: 'string',
        B: 'string',
        C: 'string',
        D: 'string',
        category: 'string',
        image: 'image',
        'L2-category': 'string',
      },
      {
        index: 1,
        question: 'Which?',
        hint: 'nan',
        answer: 'B',
        A: 'cat',
        B: 'dog',
        C: 'owl',
        D: 'nan',
        category: 'c',
        'L2-category': 'l',
      },
      `Which?\n${lettered}\n${LETTER_ANSWER}`,
    ],
  ] as [string, string, Record<string, ColumnType>, Record<string, unknown>, string][])(
    '%s',
    async (name, path, types, row, prompt) => {
      shard(path, types, [{ ...row, image: img(1) }]);
      if (name === 'pca-bench') {
        for (const config of ['Autonomous Driving', 'Domestic Robot'])
          shard(path.replace('Open-World Game', config), types, []);
      }
      const samples = await read(name);
      expect(samples).toHaveLength(1);
      expect(samples[0]).toMatchObject({ prompt, choices, answers: ['dog'], answerIndex: 1 });
      expect((await samples[0]?.images())?.[0]).toMatchObject({ width: 5 });
    },
  );

  it('scienceqa-img: a question without a context', async () => {
    shard(
      'lmms-lab/ScienceQA/ScienceQA-IMG/test-00000-of-00001.parquet',
      { image: 'image', question: 'string', choices: words, answer: 'int8', hint: 'string' },
      [{ image: img(0), question: 'Which?', choices, answer: 1, hint: '' }],
    );
    expect((await read('scienceqa-img'))[0]?.prompt).toMatch(/^Context: N\/A\nQuestion: Which\?\n/);
  });

  it('a-okvqa-fastv: one token after a line break, right if it holds the letter', async () => {
    shard(
      'HuggingFaceM4/A-OKVQA/data/validation-00000-of-00001-b2bd0de231b6326a.parquet',
      { image: 'image', question: 'string', choices: words, correct_choice_idx: 'int8' },
      [{ image: img(0), question: 'Which?', choices, correct_choice_idx: 1 }],
    );
    const [sample = expect.fail()] = await read('a-okvqa-fastv');
    expect(sample).toMatchObject({ maxTokens: 1, prompt: expect.stringMatching(/^\nAnalyse/) as string });
    for (const [text, score] of [
      ['B', 1],
      ['(B', 1],
      ['b', 0],
      ['A', 0],
      ['ABC', 1],
    ] as const)
      expect(scoreReply('letter-within', sample, { text }).score).toBe(score);
  });

  it('seed-bench: several images in a list', async () => {
    shard(
      'lmms-lab/SEED-Bench/data/test-00000-of-00001.parquet',
      {
        answer: 'string',
        choice_a: 'string',
        choice_b: 'string',
        choice_c: 'string',
        choice_d: 'string',
        data_type: 'string',
        question: 'string',
        question_id: 'string',
        image: { list: 'image' },
      },
      [
        {
          answer: 'D',
          choice_a: 'a',
          choice_b: 'b',
          choice_c: 'c',
          choice_d: 'd',
          data_type: 'video',
          question: 'Which?',
          question_id: '1',
          image: [img(0), img(1)],
        },
      ],
    );
    const [sample] = await read('seed-bench');
    expect(sample).toMatchObject({ answerIndex: 3, category: 'video' });
    expect(await sample?.images()).toHaveLength(2);
  });

  it('mmmu: options as Python prints them, some questions open, up to seven images', async () => {
    const types: Record<string, ColumnType> = {
      id: 'string',
      question: 'string',
      options: 'string',
      explanation: 'string',
      answer: 'string',
      question_type: 'string',
      subfield: 'string',
    };
    for (let i = 1; i <= 7; i++) types[`image_${i}`] = 'image';
    const row = {
      id: 'validation_Art_Theory_7',
      explanation: '',
      subfield: 'Music',
      image_1: img(0),
      image_2: img(1),
    };
    shard('lmms-lab/MMMU/data/validation-00000-of-00001.parquet', types, [
      {
        ...row,
        question: 'Which <image 1>?',
        options: "['$1', \"it's 2\"]",
        answer: 'B',
        question_type: 'multiple-choice',
      },
      { ...row, question: 'How many?', options: '[]', answer: "['4', 'four']", question_type: 'open' },
    ]);
    const [closed, open] = await read('mmmu');
    expect(closed).toMatchObject({ choices: ['$1', "it's 2"], answerIndex: 1, category: 'Art_Theory' });
    expect(closed?.prompt).toBe(`Which <image 1>?\nA. $1\nB. it's 2\n\n${LETTER_ANSWER}`);
    expect(await closed?.images()).toHaveLength(2);
    expect(open).toMatchObject({
      choices: null,
      answers: ['4', 'four'],
      prompt: `How many?\n\n${SHORT_ANSWER}`,
    });
    expect(scoreReply('multiple-choice', open ?? expect.fail(), { text: 'Four' }).score).toBe(1);
  });
});

describe('short answers', () => {
  it('vqav2: ten annotators', async () => {
    const answers = Array.from({ length: 10 }, (_, i) => ({
      answer: i < 3 ? 'red' : 'blue',
      answer_confidence: 'yes',
      answer_id: i + 1,
    }));
    shard(
      'lmms-lab/VQAv2/data/validation-00000-of-00068.parquet',
      {
        question_type: 'string',
        multiple_choice_answer: 'string',
        answers: { list: { struct: { answer: 'string', answer_confidence: 'string', answer_id: 'int64' } } },
        image_id: 'int64',
        answer_type: 'string',
        question_id: 'int64',
        question: 'string',
        image: 'image',
      },
      [
        {
          question_type: 'what',
          multiple_choice_answer: 'blue',
          answers,
          image_id: 1,
          answer_type: 'other',
          question_id: 2,
          question: 'What color?',
          image: img(0),
        },
      ],
    );
    const [sample] = await read('vqav2');
    expect(sample).toMatchObject({ prompt: `What color?\n${SHORT_ANSWER}`, category: 'other' });
    expect(scoreReply('vqa', sample ?? expect.fail(), { text: 'Red' }).score).toBeCloseTo(0.9, 12);
  });

  it('textvqa: answers as a list, with and without what an OCR system read', async () => {
    shard(
      'lmms-lab/textvqa/data/validation-00000-of-00003.parquet',
      {
        image_id: 'string',
        question_id: 'int64',
        question: 'string',
        image: 'image',
        answers: words,
        ocr_tokens: words,
      },
      [
        {
          image_id: 'a',
          question_id: 1,
          question: 'what brand?',
          image: img(0),
          answers: new Array(10).fill('nokia'),
          ocr_tokens: ['NOKIA', '5G'],
        },
        {
          image_id: 'b',
          question_id: 2,
          question: 'what year?',
          image: img(0),
          answers: new Array(10).fill('1999'),
          ocr_tokens: [],
        },
      ],
    );
    expect((await read('textvqa-ocr')).map(({ prompt }) => prompt)).toEqual([
      `what brand?\nReference OCR token: NOKIA, 5G\n${SHORT_ANSWER}`,
      `what year?\n${SHORT_ANSWER}`,
    ]);
    expect((await read('textvqa'))[0]).toMatchObject({ answers: new Array(10).fill('nokia') as string[] });
  });

  it('a-okvqa-direct: answers as Python prints them, the difficult ones left out', async () => {
    const types = {
      image: 'image',
      question: 'string',
      choices: words,
      correct_choice_idx: 'int8',
      direct_answers: 'string',
      difficult_direct_answer: 'bool',
    } as const;
    const row = {
      image: img(0),
      question: 'Which?',
      choices: ['a', 'b'],
      correct_choice_idx: 0,
      direct_answers: "['dog', 'dogs']",
    };
    shard('HuggingFaceM4/A-OKVQA/data/validation-00000-of-00001-b2bd0de231b6326a.parquet', types, [
      { ...row, difficult_direct_answer: true },
      { ...row, difficult_direct_answer: false },
    ]);
    const samples = await read('a-okvqa-direct');
    expect(samples).toHaveLength(1);
    expect(samples[0]).toMatchObject({
      answers: ['dog', 'dogs'],
      id: expect.stringMatching(/:1$/) as string,
    });
  });

  it('ocr-vqa: a row holds several questions', async () => {
    shard(
      'howard-hou/OCR-VQA/data/test-00000-of-00002-45d65f5057dd1a9e.parquet',
      {
        image: 'image',
        image_id: 'string',
        questions: words,
        answers: words,
        ocr_tokens: words,
        title: 'string',
      },
      [
        {
          image: img(0),
          image_id: 'x',
          questions: ['Who?', 'What?'],
          answers: ['me', 'book'],
          ocr_tokens: [],
          title: 't',
        },
      ],
    );
    const samples = await read('ocr-vqa');
    expect(samples.map((s) => [s.id.split(':')[1], s.prompt, s.answers[0]])).toEqual([
      ['0.0', `Who?\n${SHORT_ANSWER}`, 'me'],
      ['0.1', `What?\n${SHORT_ANSWER}`, 'book'],
    ]);
  });

  it('gqa: images in another subset, on disk while they are needed, then gone', async () => {
    const before = readdirSync(tmpdir()).filter((f) => f.startsWith('fastv-images-')).length;
    shard(
      'lmms-lab/GQA/testdev_balanced_instructions/testdev-00000-of-00001.parquet',
      { id: 'string', imageId: 'string', question: 'string', answer: 'string', fullAnswer: 'string' },
      [
        { id: '1', imageId: 'n2', question: 'Is it?', answer: 'no', fullAnswer: 'No.' },
        { id: '2', imageId: 'n9', question: 'Is it?', answer: 'no', fullAnswer: 'No.' },
      ],
    );
    shard(
      'lmms-lab/GQA/testdev_balanced_images/testdev-00000-of-00001.parquet',
      { id: 'string', image: 'image' },
      [
        { id: 'n1', image: img(1) },
        { id: 'n2', image: img(2) },
      ],
    );
    const opened = openTask(findTasks(['gqa'])[0] ?? expect.fail(), { folders: [root] });
    const samples: Sample[] = [];
    for await (const sample of opened.samples()) samples.push(sample);
    expect((await samples[0]?.images())?.[0]).toMatchObject({ width: 6 });
    await expect(samples[1]?.images()).rejects.toThrow(/no image in testdev_balanced_images has the id n9/);
    await opened.close();
    expect(readdirSync(tmpdir()).filter((f) => f.startsWith('fastv-images-')).length).toBe(before);
  });

  it('pope and mme: yes or no', async () => {
    shard(
      'lmms-lab/POPE/data/test-00000-of-00003.parquet',
      {
        id: 'string',
        question_id: 'string',
        question: 'string',
        answer: 'string',
        image_source: 'string',
        image: 'image',
        category: 'string',
      },
      [
        {
          id: '0',
          question_id: '1',
          question: 'Is there a dog?',
          answer: 'yes',
          image_source: 'x',
          image: img(0),
          category: 'adversarial',
        },
      ],
    );
    expect((await read('pope'))[0]).toMatchObject({ answers: ['yes'], category: 'adversarial' });
    const types = {
      question_id: 'string',
      image: 'image',
      question: 'string',
      answer: 'string',
      category: 'string',
    } as const;
    const row = { question_id: 'color/1.png', image: img(0), category: 'color' };
    shard('lmms-lab/MME/data/test-00000-of-00004.parquet', types, [
      { ...row, question: 'Is it red? Please answer yes or no.', answer: 'Yes' },
      { ...row, question: 'Is it blue? Please answer yes or no.', answer: 'No' },
    ]);
    const samples = await read('mme');
    expect(samples[0]?.prompt).toBe(`Is it red?\n${SHORT_ANSWER}`);
    const scored = samples.map((s) => ({
      ...s,
      prediction: 'yes',
      ...scoreReply('mme', s, { text: 'Yes' }),
    }));
    expect(scoreTask('mme', scored).score).toBe(50);
  });
});

describe('videos', () => {
  it.each(['tgif-qa', 'msvd-qa', 'msrvtt-qa'])(
    '%s: frames of a folder or a GIF, answers in a file of their own',
    async (name) => {
      const task = TASKS.get(name);
      if (task?.data.kind !== 'annotations') throw new Error(name);
      const folder = join(root, task.data.repository);
      const [place = ''] = ('video' in task.images ? task.images.folders : undefined) ?? expect.fail();
      mkdirSync(join(folder, place, 'v1'), { recursive: true });
      for (let i = 0; i < 12; i++)
        writeFileSync(join(folder, place, 'v1', `${String(i).padStart(4, '0')}.png`), images[i % 3] ?? '');
      writeFileSync(
        join(folder, 'test_q.json'),
        JSON.stringify([
          { video_name: 'v1', question_id: 'v1_0', question: 'what jumps?' },
          { video_name: 'v1', question_id: 'v1_9', question: 'who?' },
        ]),
      );
      writeFileSync(
        join(folder, 'test_a.json'),
        JSON.stringify([{ answer: 'dog', type: 1, question_id: 'v1_0' }]),
      );
      const bad: FastvError[] = [];
      const samples = await read(name, { onBadRow: (e) => bad.push(e) });
      expect(samples).toHaveLength(1);
      expect(samples[0]).toMatchObject({ answers: ['dog'], prompt: `what jumps?\n${SHORT_ANSWER}` });
      expect(await samples[0]?.images()).toHaveLength(8);
      expect(bad[0]?.where).toMatch(/test_q.json, row 1, field question_id/);
    },
  );

  it('says that the archives are not on the hub, even if the network is allowed', async () => {
    await expect(
      read('msvd-qa', { folders: [join(root, 'absent')], allowNetwork: true }),
    ).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/not on the hub/) as string,
    });
  });
});

describe('scenes', () => {
  it.each([
    'scenes-existence',
    'scenes-hard-text',
    'scenes-video-moved',
    'scenes-multi-image',
    'scenes-caption',
  ])('%s', async (name) => {
    const samples = await read(name);
    expect(samples).toHaveLength(20);
    expect(new Set(samples.map((s) => s.id)).size).toBe(20);
    const again = await read(name);
    expect(again.map((s) => [s.id, s.prompt, s.answers])).toEqual(
      samples.map((s) => [s.id, s.prompt, s.answers]),
    );
    const pictures = await samples[0]?.images();
    expect(pictures?.[0]).toMatchObject({ width: 96, height: 96 });
    if (/video|multi/.test(name)) expect(pictures?.length).toBeGreaterThan(1);
  });
});

describe('bad rows', () => {
  const types = { image: 'image', caption: words } as const;
  it('are refused naming file and row, or skipped', async () => {
    const path = 'skip/flickr30k/data/test-00000-of-00001.parquet';
    shard(path, types, [
      { image: img(0), caption: ['a'] },
      { image: img(0), caption: null },
      { image: img(0), caption: [] },
      { image: img(0), caption: ['b'] },
    ]);
    const folders = [join(root, 'skip')];
    await expect(read('flickr30k', { folders })).rejects.toMatchObject({
      code: 'invalid-input',
      where: `${join(root, path)}, row 1, field caption`,
    });
    const bad: FastvError[] = [];
    const samples = await read('flickr30k', { folders, onBadRow: (e) => bad.push(e) });
    expect(samples.map((s) => s.answers[0])).toEqual(['a', 'b']);
    expect(bad.map((e) => /row (\d)/.exec(e.where ?? '')?.[1])).toEqual(['1', '2']);
  });

  it('a broken shard is passed over, the next is read', async () => {
    const folder = join(root, 'broken/flickr30k/data');
    shard('broken/flickr30k/data/test-00001-of-00002.parquet', types, [{ image: img(0), caption: ['c'] }]);
    writeFileSync(join(folder, 'test-00000-of-00002.parquet'), 'no parquet at all');
    const bad: FastvError[] = [];
    const samples = await read('flickr30k', {
      folders: [join(root, 'broken')],
      onBadRow: (e) => bad.push(e),
    });
    expect(samples).toHaveLength(1);
    expect(bad).toHaveLength(1);
  });

  it('images that cannot be decoded, and answers out of range', async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    shard('image/flickr30k/data/test-0.parquet', types, [
      { image: { bytes, path: 'x' }, caption: ['a'] },
      { image: null, caption: ['a'] },
    ]);
    const opened = openTask(findTasks(['flickr30k'])[0] ?? expect.fail(), { folders: [join(root, 'image')] });
    const samples: Sample[] = [];
    for await (const sample of opened.samples()) samples.push(sample);
    await expect(samples[0]?.images()).rejects.toThrow(/not an image/);
    await expect(samples[1]?.images()).rejects.toThrow(/no image/);
    shard(
      'range/ai2d/data/test-0.parquet',
      { question: 'string', options: words, answer: 'string', image: 'image' },
      [{ question: 'q', options: ['a'], answer: '1', image: img(0) }],
    );
    await expect(read('ai2d', { folders: [join(root, 'range')] })).rejects.toThrow(/none of the 1 choices/);
  });
});

describe('names', () => {
  it('finds tasks and groups, each task once', () => {
    expect(findTasks(['gqa', 'scenes', 'scenes-color']).map((t) => t.name)).toHaveLength(11);
    for (const names of Object.values(GROUPS)) expect(findTasks(names)).toHaveLength(names.length);
  });
  it('refuses others', () => {
    expect(() => findTasks(['vqa2'])).toThrow(/no task is named "vqa2"/);
    expect(() => findTasks(['vqa2'])).toThrow(
      expect.objectContaining({
        hint: expect.stringMatching(/^did you mean vqav2\? tasks: /u) as unknown,
      }) as Error,
    );
  });
});
