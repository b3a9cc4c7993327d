/** What `fastv run` does. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { FastvError } from '../../errors.js';
import { measure, type Measured } from '../../bench/in-turns.js';
import { writeAtomically } from '../../files/atomic.js';
import { loadMedia, type LoadedMedia, type Picture } from '../../media/index.js';
import type { Conversation, Message } from '../../runtime/conversation.js';
import type { OpenedModel } from '../../runtime/model.js';
import type { PrefillReport } from '../../runtime/options.js';
import { AnswerStream } from '../answer-stream.js';
import { comparison, timings } from '../format.js';
import { mediaOptions, openConversation, openOriginal, openPruned } from '../model.js';
import type { ModelFlags } from '../options/model.js';
import { refuseIdle } from '../parse/idle.js';
import { checkOutputFile } from '../output-path.js';
import { overlayOf } from '../overlay.js';
import { answerJson } from '../report-json.js';
import { sceneNotice } from '../scene-notice.js';
import type { Terminal } from '../terminal.js';
import { processorClass } from '../../runtime/processor-class.js';

/** The flags of `fastv run`. */
export interface RunFlags extends ModelFlags {
  readonly compare?: boolean;
  readonly repeat: number;
  readonly overlay?: string;
  readonly keptIndices?: boolean;
}

/** What is asked, of which model. */
interface Call {
  readonly name: string;
  readonly conversation: Conversation;
  readonly question: string;
  readonly pictures: readonly Picture[];
  /** Whether the pictures are the frames of one video. */
  readonly video: boolean;
  readonly flags: RunFlags;
  /** What the user is told of the model. */
  readonly notice: string | undefined;
}

/**
 * Answers one question.
 * @param command knows which flags were given
 */
export async function run(
  inputs: readonly string[],
  flags: RunFlags,
  terminal: Terminal,
  command: Command,
): Promise<void> {
  const { sources, question } = imagesAndQuestion(inputs);
  if (flags.overlay !== undefined)
    await checkOutputFile(flags.overlay, { option: '--overlay', inputs: sources });
  const { name, conversation } = await openConversation(flags);
  const media: LoadedMedia[] = [];
  for (const source of sources) media.push(await loadMedia(source, mediaOptions(flags)));
  if (media.every(({ video }) => !video))
    refuseIdle(command, '--frames', 'no input is a video', 'leave it out');
  const pictures = media.flatMap((one) => one.pictures);
  const notice = flags.model === undefined ? sceneNotice(pictures, question) : undefined;
  if (notice !== undefined) terminal.warn(notice);
  const call: Call = {
    name,
    conversation,
    question,
    pictures,
    video: sources.length === 1 && pictures.length > 1,
    flags,
    notice,
  };
  if (flags.compare === true) await compare(call, terminal);
  else await answer(call, terminal);
}

/** The last argument is the question, all others are images. */
function imagesAndQuestion(inputs: readonly string[]): {
  sources: readonly string[];
  question: string;
} {
  const hint = 'fastv run IMAGE… "question"';
  const question = inputs.at(-1);
  if (question === undefined)
    throw new FastvError('invalid-option', 'an image and a question are needed', { hint });
  const sources = inputs.slice(0, -1);
  if (question === '-' || (question !== '' && existsSync(question))) {
    throw new FastvError('invalid-option', 'the question is missing: the last argument is an image', {
      where: question,
      hint,
    });
  }
  if (question.trim() === '') throw new FastvError('invalid-option', 'the question is empty', { hint });
  if (sources.length === 0) {
    throw new FastvError('invalid-option', 'the image is missing', { hint });
  }
  if (sources.filter((source) => source === '-').length > 1) {
    throw new FastvError('invalid-option', 'standard input holds one image only', { where: '-', hint });
  }
  return { sources, question };
}

async function answer(call: Call, terminal: Terminal): Promise<void> {
  const { name, conversation, question, flags } = call;
  const model = await openPruned(name, flags, conversation);
  const printed = new AnswerStream((text) => {
    terminal.stream(text);
  });
  const result = await model.ask(messagesOf(call), {
    maxNewTokens: flags.maxNewTokens,
    onText: (text) => {
      printed.add(text);
    },
  });
  terminal.stream('\n');
  const overlay = await writeOverlay(call, result.report);
  terminal.answered(
    {
      model: name,
      question,
      ...answerJson(result, flags),
      overlay,
      notice: call.notice,
      processor: await processorClass(),
    },
    () => [...timings(result), ...(overlay === undefined ? [] : [`overlay: ${overlay}`])],
  );
  await model.close();
}

async function compare(call: Call, terminal: Terminal): Promise<void> {
  const { name, conversation, question, flags } = call;
  const inputs = await conversation.inputs(messagesOf(call));
  const results: Measured[] = [];
  const time = async (...models: OpenedModel[]): Promise<void> => {
    const contenders = models.map((model) => ({ model }));
    results.push(...(await measure(contenders, inputs, flags)));
    for (const model of models) await model.close();
  };
  const theirs = () => openOriginal(name, flags, conversation);
  const ours = () => openPruned(name, flags, conversation);
  if (flags.model === undefined) await time(await theirs(), await ours());
  else {
    // a model of unknown size: one after the other, never two decoders at once
    await time(await theirs());
    await time(await ours());
  }
  const [original, pruned] = results;
  if (original === undefined || pruned === undefined) return;
  const overlay = await writeOverlay(call, pruned.report);
  const document = {
    model: name,
    question,
    original: answerJson(original, flags),
    pruned: answerJson(pruned, flags),
    prefillSpeedup: original.prefillMs / pruned.prefillMs,
    overlay,
    notice: call.notice,
    processor: await processorClass(),
  };
  terminal.result(document, () =>
    [comparison(original, pruned), ...(overlay === undefined ? [] : [`overlay: ${overlay}`])].join('\n'),
  );
}

function messagesOf({ question, pictures, video }: Call): readonly Message[] {
  return [{ role: 'user', text: question, images: pictures, video }];
}

async function writeOverlay(
  { flags: { overlay: file }, conversation, pictures }: Call,
  report: PrefillReport | undefined,
): Promise<string | undefined> {
  if (file === undefined || report === undefined) return undefined;
  await writeAtomically(file, await overlayOf(conversation, pictures, report));
  return file;
}
