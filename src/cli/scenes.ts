/** `fastv scenes`: writes a split of the scene benchmark, or conversations to train on. */
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { loadAtlas } from '../scenes/atlas.js';
import { SPLITS, type Split } from '../scenes/dataset.js';
import { FAMILIES, type Family } from '../scenes/question.js';
import { writeConversations, writeDataset } from '../scenes/write-dataset.js';

interface Flags {
  readonly split: Split;
  readonly count: number;
  readonly start: number;
  readonly family?: readonly Family[];
  readonly layout: 'questions' | 'conversations';
  readonly questionsPerImage: number;
  readonly imagesPerConversation: number;
  readonly images: boolean;
  readonly sheet: boolean;
  readonly json?: boolean;
}

/** The command, to be added to the program. */
export function scenesCommand(): Command {
  return new Command('scenes')
    .description('write a split of the synthetic scene benchmark: JSON lines, PNGs and a contact sheet')
    .argument('<folder>', 'where to write')
    .addOption(new Option('--split <split>', 'which split').choices(SPLITS).default('test'))
    .addOption(new Option('--family <families...>', 'only these families').choices(FAMILIES))
    .option('--count <n>', 'items a family (questions), or images (conversations)', positive, 100)
    .option('--start <n>', 'index of the first item', natural, 0)
    .addOption(
      new Option(
        '--layout <layout>',
        'a question a line, or an image with many questions a line, to train on',
      )
        .choices(['questions', 'conversations'])
        .default('questions'),
    )
    .option('--questions-per-image <n>', 'at most so many, conversations only', positive, 14)
    .option(
      '--images-per-conversation <n>',
      'videos and image sets where more than 1, conversations only',
      positive,
      1,
    )
    .option('--no-images', 'write no PNGs')
    .option('--no-sheet', 'write no contact sheet')
    .option('--json', 'print what was written as JSON')
    .action(async (folder: string, flags: Flags) => {
      const atlas = loadAtlas();
      const { count, start } = flags;
      if (flags.layout === 'conversations') {
        const { makeFolder } = await import('../files/make-folder.js');
        await makeFolder(folder);
        const suffix = flags.imagesPerConversation === 1 ? '' : `-${String(flags.imagesPerConversation)}`;
        const file = join(folder, `train${suffix}.jsonl`);
        const { questionsPerImage: questions, imagesPerConversation: images } = flags;
        await writeConversations(file, { count, start, questions, images }, atlas);
        console.log(flags.json ? JSON.stringify({ conversations: file, images: count }) : file);
        return;
      }
      const written = await writeDataset(
        folder,
        {
          split: flags.split,
          families: flags.family ?? FAMILIES,
          count,
          start,
          images: flags.images,
          sheet: flags.sheet,
          onProgress: (done, total) => {
            if (process.stderr.isTTY && (done % 50 === 0 || done === total)) {
              process.stderr.write(`\r${String(done)}/${String(total)}${done === total ? '\n' : ''}`);
            }
          },
        },
        atlas,
      );
      console.log(
        flags.json
          ? JSON.stringify(written)
          : `${String(written.items)} questions: ${written.questions}${written.sheet === null ? '' : `\ncontact sheet: ${written.sheet}`}`,
      );
    });
}

function natural(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError('a whole number, 0 or more, is needed');
  return Number(value);
}

function positive(value: string): number {
  const n = natural(value);
  if (n === 0) throw new InvalidArgumentError('a whole number, 1 or more, is needed');
  return n;
}
