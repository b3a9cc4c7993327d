/** `fastv scenes`: writes a split of the scene benchmark, or conversations to train on. */
import { Command, Option } from 'commander';
import { FAMILIES } from '../../scenes/question.js';
import { SPLITS } from '../../scenes/dataset.js';
import type { ScenesFlags } from '../actions/scenes.js';
import { addOutputOptions } from '../options/option.js';
import { refuseIdle } from '../parse/idle.js';
import { wholeNumber } from '../parse/number.js';
import type { Terminal } from '../terminal.js';

/** Options that say nothing in one layout or the other. */
const QUESTIONS_IDLE = ['--questions-per-image', '--images-per-conversation'];
const CONVERSATIONS_IDLE = ['--split', '--family', '--no-images', '--no-sheet'];

/** The command, to be added to the program. */
export function scenesCommand(terminal: Terminal): Command {
  const number = (option: string, description: string, least: number, otherwise: number): Option =>
    new Option(`${option} <n>`, description).argParser(wholeNumber(option, least)).default(otherwise);
  const command = new Command('scenes')
    .argument('<folder>', 'where to write')
    .addOption(new Option('--split <split>', 'which split').choices(SPLITS).default('test'))
    .addOption(new Option('--family <families...>', 'only these families').choices(FAMILIES))
    .addOption(number('--count', 'items a family (questions), or images (conversations)', 1, 100))
    .addOption(number('--start', 'index of the first item', 0, 0))
    .addOption(
      new Option(
        '--layout <layout>',
        'a question a line, or an image with many questions a line, to train on',
      )
        .choices(['questions', 'conversations'])
        .default('questions'),
    )
    .addOption(number('--questions-per-image', 'at most so many, conversations only', 1, 14))
    .addOption(
      number(
        '--images-per-conversation',
        'videos and image sets where more than 1, conversations only',
        1,
        1,
      ),
    )
    .option('--no-images', 'write no PNGs')
    .option('--no-sheet', 'write no contact sheet')
    .action(async (folder: string, flags: ScenesFlags) => {
      const [idle, why, hint] =
        flags.layout === 'questions'
          ? [QUESTIONS_IDLE, 'this is of conversations only', 'add --layout conversations']
          : [
              CONVERSATIONS_IDLE,
              'conversations are of the training split and have no pictures',
              'leave it out',
            ];
      for (const option of idle) refuseIdle(command, option, why, hint);
      if (flags.imagesPerConversation > 1)
        refuseIdle(command, '--questions-per-image', 'a set of images has all its questions', 'leave it out');
      const { scenes } = await import('../actions/scenes.js');
      await scenes(folder, flags, terminal);
    });
  return addOutputOptions(command);
}
