/** What `fastv scenes` does. */
import { join } from 'node:path';
import { loadAtlas } from '../../scenes/atlas.js';
import type { Split } from '../../scenes/dataset.js';
import { FAMILIES, type Family } from '../../scenes/question.js';
import { writeConversations, writeDataset } from '../../scenes/write-dataset.js';
import { prepareOutputFolder } from '../output-path.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv scenes`. */
export interface ScenesFlags {
  readonly split: Split;
  readonly count: number;
  readonly start: number;
  readonly family?: readonly Family[];
  readonly layout: 'questions' | 'conversations';
  readonly questionsPerImage: number;
  readonly imagesPerConversation: number;
  readonly images: boolean;
  readonly sheet: boolean;
}

/** Writes scenes. */
export async function scenes(folder: string, flags: ScenesFlags, terminal: Terminal): Promise<void> {
  await prepareOutputFolder(folder, 'folder');
  if (flags.layout === 'conversations') await conversations(folder, flags, terminal);
  else await questions(folder, flags, terminal);
}

async function conversations(folder: string, flags: ScenesFlags, terminal: Terminal): Promise<void> {
  const { count, start, questionsPerImage, imagesPerConversation: images } = flags;
  const file = join(folder, `train${images === 1 ? '' : `-${images}`}.jsonl`);
  await writeConversations(file, { count, start, questions: questionsPerImage, images }, loadAtlas());
  terminal.result({ conversations: file, images: count }, () => file);
}

async function questions(folder: string, flags: ScenesFlags, terminal: Terminal): Promise<void> {
  const { split, family: families = FAMILIES, count, start, images, sheet } = flags;
  const { progress } = terminal;
  const onProgress = (done: number, total: number): void => {
    if (progress.isTTY !== true || (done % 50 !== 0 && done !== total)) return;
    progress.write(`\r${done}/${total}${done === total ? '\n' : ''}`);
  };
  const written = await writeDataset(
    folder,
    { split, families, count, start, images, sheet, onProgress },
    loadAtlas(),
  );
  terminal.result(written, () =>
    [
      `${written.items} questions: ${written.questions}`,
      ...(written.sheet === null ? [] : [`contact sheet: ${written.sheet}`]),
    ].join('\n'),
  );
}
