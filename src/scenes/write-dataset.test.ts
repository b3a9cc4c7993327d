import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAtlas } from './atlas.js';
import type { Conversation } from './dataset.js';
import { renderScene } from './render.js';
import { writeConversations, writeDataset, type Row } from './write-dataset.js';

const atlas = loadAtlas();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-scenes-'));
});
afterEach(() => rm(folder, { recursive: true }));

const lines = async <T>(file: string): Promise<T[]> =>
  (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

describe('writeDataset', () => {
  it('writes a line a question, and PNGs that hold the scene to the byte', async () => {
    const families = ['existence', 'multi-image'] as const;
    const options = { split: 'test', families, count: 3, start: 2, images: true, sheet: true } as const;
    const written = await writeDataset(folder, options, atlas);
    const rows = await lines<Row>(written.questions);
    expect(rows).toHaveLength(6);
    expect(written.items).toBe(6);
    for (const row of rows) {
      expect(row.images).toHaveLength(row.scenes.length);
      for (const [i, path] of row.images.entries()) {
        const pixels = await sharp(join(folder, path)).raw().toBuffer();
        const scene = row.scenes[i];
        expect(scene !== undefined && pixels.equals(renderScene(scene, atlas))).toBe(true);
      }
    }
    const sheet = await sharp(written.sheet ?? '').metadata();
    expect(sheet.width).toBeGreaterThan(1000);
    expect((await readdir(folder)).filter((f) => f.endsWith('.tmp'))).toEqual([]);
  });
});

describe('writeConversations', () => {
  it('writes an image, or a set of images, a line', async () => {
    for (const images of [1, 3, 5]) {
      const file = join(folder, `${String(images)}.jsonl`);
      await writeConversations(file, { count: 4, start: 0, questions: 8, images }, atlas);
      const rows = await lines<Conversation>(file);
      expect(rows.map((r) => r.scenes.length)).toEqual([images, images, images, images]);
      for (const { questions } of rows) expect(questions.length).toBeGreaterThan(0);
    }
  });
});
