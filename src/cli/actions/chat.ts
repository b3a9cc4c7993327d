/** What `fastv chat` does. */
import { createInterface } from 'node:readline/promises';
import { FastvError } from '../../errors.js';
import { loadMedia, type Picture } from '../../media/index.js';
import type { Chat } from '../../runtime/chat.js';
import type { OpenedModel } from '../../runtime/model.js';
import { AnswerStream } from '../answer-stream.js';
import { describeFailure, failureOf } from '../failure.js';
import { timings } from '../format.js';
import { mediaOptions, openConversation, openPruned } from '../model.js';
import type { ModelFlags } from '../options/model.js';
import { answerJson } from '../report-json.js';
import { sceneNotice } from '../scene-notice.js';
import { readShare, share } from '../parse/share.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv chat`. */
export interface ChatFlags extends ModelFlags {
  readonly keptIndices?: boolean;
}

/** A conversation, and the images that wait for a question. */
class Talk {
  readonly #chat: Chat;
  readonly #flags: ChatFlags;
  readonly #terminal: Terminal;
  #waiting: Picture[] = [];
  /** Where they came from: images, or more than one frame. */
  #sources: ('image' | 'video')[] = [];
  /** What the user is told of the bundled model, once. */
  #notice: string | undefined;

  constructor(chat: Chat, flags: ChatFlags, terminal: Terminal) {
    this.#chat = chat;
    this.#flags = flags;
    this.#terminal = terminal;
  }

  async addImage(source: string): Promise<number> {
    const { pictures } = await loadMedia(source, mediaOptions(this.#flags));
    this.#notify(pictures);
    this.#waiting.push(...pictures);
    this.#sources.push(pictures.length > 1 ? 'video' : 'image');
    return pictures.length;
  }

  async forget(): Promise<void> {
    await this.#chat.forget();
    this.#empty();
  }

  #empty(): void {
    this.#waiting = [];
    this.#sources = [];
  }

  /** A later question leans on those before it, so only pictures are looked at. */
  #notify(pictures: readonly Picture[]): void {
    if (this.#flags.model !== undefined || this.#notice !== undefined) return;
    this.#notice = sceneNotice(pictures);
    if (this.#notice !== undefined) this.#terminal.warn(this.#notice);
  }

  async ask(text: string): Promise<void> {
    const printed = new AnswerStream((piece) => {
      this.#terminal.stream(piece);
    });
    const result = await this.#chat.ask(text, this.#waiting, {
      maxNewTokens: this.#flags.maxNewTokens,
      video: this.#sources.join() === 'video',
      onText: (piece) => {
        printed.add(piece);
      },
    });
    this.#empty();
    this.#terminal.stream('\n');
    this.#terminal.answered(
      { question: text, ...answerJson(result, this.#flags), notice: this.#notice },
      () => timings(result),
    );
  }
}

/** Reads questions until the input ends. */
export async function chat(images: readonly string[], flags: ChatFlags, terminal: Terminal): Promise<void> {
  if (images.includes('-')) {
    throw new FastvError('invalid-option', 'the questions come from standard input, so no image can', {
      where: '-',
    });
  }
  const { name, conversation } = await openConversation(flags);
  const model = await openPruned(name, flags, conversation);
  const talk = new Talk(model.chat(), flags, terminal);
  for (const image of images) await talk.addImage(image);
  const interactive = process.stdin.isTTY && !terminal.json;
  const lines = createInterface({
    input: process.stdin,
    terminal: interactive,
    output: process.stderr,
    prompt: '> ',
  });
  if (interactive) {
    terminal.note(`${name}; /quit ends, /image FILE adds an image`);
    lines.prompt();
  }
  for await (const line of lines) {
    try {
      if (await command(line.trim(), talk, model, terminal)) break;
    } catch (error) {
      // what goes wrong with one line does not end the chat
      process.stderr.write(`${describeFailure(failureOf(error))}\n`);
    }
    if (interactive) lines.prompt();
  }
  lines.close();
  // a pipe that somebody still holds open would keep the program from ending
  process.stdin.destroy();
  await model.close();
}

/** Does what a line says. @returns whether the chat ends */
async function command(line: string, talk: Talk, model: OpenedModel, terminal: Terminal): Promise<boolean> {
  if (line === '') return false;
  const [word = '', ...rest] = line.split(' ');
  const value = rest.join(' ').trim();
  switch (word) {
    case '/quit':
      return true;
    case '/new':
      await talk.forget();
      return false;
    case '/image': {
      if (value === '' || value === '-') {
        throw new FastvError('invalid-option', 'an image is needed: a file, a folder of frames, or a URL', {
          where: '/image',
        });
      }
      const count = await talk.addImage(value);
      terminal.note(`${count} image${count === 1 ? '' : 's'} for the next question`);
      return false;
    }
    case '/ratio':
      if (model.fastv !== undefined) model.fastv.ratio = readShare(value) ?? share('/ratio')(value);
      return false;
    default:
      if (word.startsWith('/'))
        throw new FastvError('invalid-option', `${word} is no command`, {
          hint: '/image, /ratio, /new, /quit',
        });
      await talk.ask(line);
      return false;
  }
}
