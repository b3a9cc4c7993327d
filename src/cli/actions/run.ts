/** What `fastv run` does. */
import { existsSync } from 'node:fs';
import { FastvError } from '../../errors.js';
import { loadMedia, type Picture } from '../../media/index.js';
import type { Answer } from '../../runtime/ask.js';
import type { Conversation, Message } from '../../runtime/conversation.js';
import type { PrefillReport } from '../../runtime/options.js';
import { writeAtomically } from '../../files/atomic.js';
import { measure, type Measured } from '../../bench/in-turns.js';
import { comparison, timings } from '../format.js';
import { openConversation, openOriginal, openPruned } from '../model.js';
import { overlayOf } from '../overlay.js';
import type { ModelFlags } from '../options/model.js';
import type { Terminal } from '../terminal.js';

/** The flags of `fastv run`. */
export interface RunFlags extends ModelFlags {
  readonly compare?: boolean;
  readonly repeat: number;
  readonly overlay?: string;
}

/** Answers one question. */
export async function run(inputs: readonly string[], flags: RunFlags, terminal: Terminal): Promise<void> {
  const { sources, question } = imagesAndQuestion(inputs);
  const { name, conversation } = await openConversation(flags);
  const pictures: Picture[] = [];
  for (const source of sources) pictures.push(...(await loadMedia(source, flags)).pictures);
  const messages: Message[] = [{ role: 'user', text: question, images: pictures }];
  if (flags.compare === true) await compare(name, conversation, messages, pictures, flags, terminal);
  else await answer(name, conversation, messages, pictures, flags, terminal);
}

/** The last argument is the question, all others are images. */
export function imagesAndQuestion(inputs: readonly string[]): {
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

async function answer(
  name: string,
  conversation: Conversation,
  messages: readonly Message[],
  pictures: readonly Picture[],
  flags: RunFlags,
  terminal: Terminal,
): Promise<void> {
  const model = await openPruned(name, flags, conversation);
  const result = await model.ask(messages, {
    maxNewTokens: flags.maxNewTokens,
    onText: (text) => {
      terminal.stream(text);
    },
  });
  const overlay = await writeOverlay(flags.overlay, conversation, pictures, result.report);
  terminal.stream('\n');
  terminal.result(
    { model: name, question: messages[0]?.text, answer: result.text, ...jsonOf(result), overlay },
    () => `[${[...timings(result), ...(overlay === undefined ? [] : [`overlay: ${overlay}`])].join(' · ')}]`,
  );
  await model.close();
}

async function compare(
  name: string,
  conversation: Conversation,
  messages: readonly Message[],
  pictures: readonly Picture[],
  flags: RunFlags,
  terminal: Terminal,
): Promise<void> {
  const inputs = await conversation.inputs(messages);
  const results: Measured[] = [];
  if (flags.model === undefined) {
    const models = [
      await openOriginal(name, flags, conversation),
      await openPruned(name, flags, conversation),
    ];
    const contenders = models.map((model) => ({ model }));
    results.push(...(await measure(contenders, inputs, flags)));
    for (const model of models) await model.close();
  } else {
    // a model of unknown size: one after the other, never two decoders at once
    for (const open of [openOriginal, openPruned]) {
      const model = await open(name, flags, conversation);
      results.push(...(await measure([{ model }], inputs, flags)));
      await model.close();
    }
  }
  const [original, pruned] = results;
  if (original === undefined || pruned === undefined) return;
  const overlay = await writeOverlay(flags.overlay, conversation, pictures, pruned.report);
  const prefillSpeedup = original.prefillMs / pruned.prefillMs;
  const both = {
    original: { answer: original.text, ...jsonOf(original) },
    pruned: { answer: pruned.text, ...jsonOf(pruned) },
  };
  terminal.result({ model: name, question: messages[0]?.text, ...both, prefillSpeedup, overlay }, () =>
    [comparison(original, pruned), ...(overlay === undefined ? [] : [`overlay: ${overlay}`])].join('\n'),
  );
}

function jsonOf({
  tokens,
  ttftMs,
  prefillMs,
  totalMs,
  tokensPerSecond,
  report,
}: Omit<Answer, 'sequences'>): object {
  return { tokens, ttftMs, prefillMs, totalMs, tokensPerSecond, fastv: report };
}

async function writeOverlay(
  file: string | undefined,
  conversation: Conversation,
  pictures: readonly Picture[],
  report: PrefillReport | undefined,
): Promise<string | undefined> {
  if (file === undefined || report === undefined) return undefined;
  await writeAtomically(file, await overlayOf(conversation, pictures, report));
  return file;
}
