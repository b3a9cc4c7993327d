// Prompts: whatever is written in a conversation, it is refused by one typed error, or its pictures have exactly their
// image tokens, a later turn begins as the sequence so far does, and the model answers. FASTV_FUZZ=10000 tries that many.
import { AutoModelForImageTextToText, Tensor, type PreTrainedModel } from '@huggingface/transformers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FastvError } from '../src/errors.js';
import { Conversation, type Message, type RgbImage } from '../src/runtime/conversation.js';
import { EMBEDDED_MODEL } from '../src/runtime/embedded.js';
import type { WithFastv } from '../src/runtime/plug.js';
import { fastv } from '../src/runtime/node.js';
import { below, pick, seeds, someText, timeLimit } from './hostile-text.js';
import { seededRandom, type Random } from './toy/random.js';

const COUNT = seeds(500);
/** Every so many of them goes to the model. */
const ANSWERED = 50;
const IMAGE_TOKENS = 144;

let conversation: Conversation;
let model: WithFastv<PreTrainedModel>;
let imageId: number;
let specials: [string, ...string[]];
beforeAll(async () => {
  conversation = await Conversation.load(EMBEDDED_MODEL);
  model = await fastv(AutoModelForImageTextToText, EMBEDDED_MODEL, {
    dtype: 'fp32',
    cache: false,
    onWarning: () => undefined,
  });
  imageId = Number((model.config as unknown as Record<string, unknown>)['image_token_index']);
  specials = conversation.tokenizer.all_special_tokens as [string, ...string[]];
});
afterAll(() => model.dispose());

/** Pictures down to a pixel, and far from square. */
function picture(random: Random): RgbImage {
  const [width, height] = pick<[number, number]>(random, [
    [1, 1],
    [96, 96],
    [3, 200],
    [97, 2],
  ]);
  return { width, height, data: new Uint8ClampedArray(width * height * 3).fill(below(random, 256)) };
}

function text(random: Random): string {
  const words = Array.from({ length: below(random, 5) }, () =>
    random() < 0.15 ? pick(random, specials) : random() < 0.6 ? someText(random) : 'What is this?',
  );
  return words.join(pick(random, ['', ' ', '\n']));
}

function turn(role: Message['role'], random: Random): Message {
  const images = role === 'user' ? Array.from({ length: below(random, 3) }, () => picture(random)) : [];
  return { role, text: text(random), images };
}

const ids = ({ input_ids: tensor }: { readonly input_ids: Tensor }): number[] =>
  Array.from(tensor.data as BigInt64Array, Number);
const pictures = (messages: readonly Message[]): number =>
  messages.reduce((sum, { images = [] }) => sum + images.length, 0);

/** Asks, answers and asks again. */
async function attempt(random: Random, answered: boolean): Promise<string> {
  const messages = [turn('user', random)];
  try {
    const inputs = await conversation.inputs(messages);
    const first = ids(inputs);
    expect(first.filter((id) => id === imageId)).toHaveLength(IMAGE_TOKENS * pictures(messages));
    const sequences = answered
      ? ((await model.generate({ ...inputs, max_new_tokens: 2, do_sample: false })) as Tensor)
      : new Tensor('int64', BigInt64Array.from([...first, 5, 2], BigInt), [1, first.length + 2]);
    conversation.answers(inputs, sequences);
    const next = turn('user', random);
    const later = await conversation.continued(
      [...messages, { role: 'assistant', text: text(random) }],
      sequences,
      next,
    );
    const all = ids(later);
    expect(all.slice(0, sequences.dims[1])).toEqual(Array.from(sequences.data as BigInt64Array, Number));
    expect(all.filter((id) => id === imageId)).toHaveLength(IMAGE_TOKENS * pictures([...messages, next]));
    return 'asked';
  } catch (error) {
    if (error instanceof FastvError) return error.code;
    throw error;
  }
}

it('every conversation is refused or can be asked', { timeout: timeLimit(COUNT, 200) }, async () => {
  const ends = new Set<string>();
  for (let seed = 0; seed < COUNT; seed++) {
    try {
      ends.add(await attempt(seededRandom(seed * 49_979_687 + 5), seed % ANSWERED === 0));
    } catch (cause) {
      throw new Error(`seed ${seed} ended in ${String(cause)}`, { cause });
    }
  }
  expect([...ends].sort()).toEqual(['asked', 'invalid-input']);
});
