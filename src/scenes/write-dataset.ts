/**
 * Writes a split to a folder: one JSON line a question, with the paths of its images, as evaluation
 * data sets are laid out; PNGs beside it. Each file appears whole or not at all.
 */
import { join } from 'node:path';
import sharp from 'sharp';
import { writeAtomically } from '../files/atomic.js';
import { makeFolder } from '../files/make-folder.js';
import type { Atlas } from './atlas.js';
import { contactSheet } from './contact-sheet.js';
import { makeConversation, makeItem, makeSequenceConversation, type Item, type Split } from './dataset.js';
import type { Family } from './question.js';
import { renderScene } from './render.js';
import { IMAGE_SIZE } from './scene.js';

export interface WriteOptions {
  readonly split: Split;
  readonly families: readonly Family[];
  /** Items a family. */
  readonly count: number;
  /** The first item's index. */
  readonly start: number;
  readonly images: boolean;
  readonly sheet: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What was written, as paths. */
export interface Written {
  readonly questions: string;
  readonly items: number;
  readonly images: number;
  readonly sheet: string | null;
}

/** A line of the JSONL: `images` are paths relative to it. */
export type Row = Item & { readonly images: readonly string[] };

/** Writes `<split>.jsonl`, `images/*.png` and `<split>-sheet.png`. @throws {FastvError} `io` if the disk refuses */
export async function writeDataset(folder: string, options: WriteOptions, atlas: Atlas): Promise<Written> {
  const { split, families, count, start } = options;
  await makeFolder(options.images ? join(folder, 'images') : folder);
  const total = families.length * count;
  const lines: string[] = [];
  const shown: Item[] = [];
  let images = 0;
  for (let index = start; index < start + count; index++) {
    for (const family of families) {
      const item = makeItem(split, family, index, atlas);
      const paths = item.scenes.map(
        (_, k) => `images/${item.id}${item.scenes.length > 1 ? `-${String(k)}` : ''}.png`,
      );
      if (options.images) {
        for (const [k, scene] of item.scenes.entries()) {
          const raw = { width: IMAGE_SIZE, height: IMAGE_SIZE, channels: 3 } as const;
          const png = await sharp(renderScene(scene, atlas), { raw }).png().toBuffer();
          await writeAtomically(join(folder, paths[k] ?? ''), png, { own: true });
          images++;
        }
      }
      lines.push(JSON.stringify({ ...item, images: paths } satisfies Row));
      if (shown.length < 60) shown.push(item);
      options.onProgress?.(lines.length, total);
    }
  }
  const questions = join(folder, `${split}.jsonl`);
  await writeAtomically(questions, `${lines.join('\n')}\n`, { own: true });
  const sheet = options.sheet ? join(folder, `${split}-sheet.png`) : null;
  if (sheet !== null) await writeAtomically(sheet, await contactSheet(shown, atlas), { own: true });
  return { questions, items: lines.length, images, sheet };
}

/** Writes training conversations, one image (or one set of so many images) a line, in portions that keep memory small. */
export async function writeConversations(
  file: string,
  {
    count,
    start,
    questions,
    images,
  }: { readonly count: number; readonly start: number; readonly questions: number; readonly images: number },
  atlas: Atlas,
): Promise<void> {
  function* portions(): Generator<string> {
    let lines: string[] = [];
    for (let i = start; i < start + count; i++) {
      const conversation =
        images === 1 ? makeConversation(i, questions, atlas) : makeSequenceConversation(i, images, atlas);
      lines.push(JSON.stringify(conversation));
      if (lines.length < 1000 && i < start + count - 1) continue;
      yield `${lines.join('\n')}\n`;
      lines = [];
    }
  }
  await writeAtomically(file, portions());
}
