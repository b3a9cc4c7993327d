/**
 * A model that is none: its answers follow from the question and the condition, and take as long as is asked for. It shows how
 * fast and how safe a set-up of machines is before a model runs on it: `--model simulated:20` takes 20 ms a question.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FastvError } from '../errors.js';
import type { Answer, Answerer, Ask, Condition } from './answerer.js';

const NAME = /^simulated:(\d{1,6})$/u;

/** Whether a model's name asks for a simulated one. */
export function isSimulated(model: string | undefined): boolean {
  return model?.startsWith('simulated:') === true;
}

/**
 * A simulated model.
 * @param model `simulated:` and milliseconds a question
 * @throws {FastvError} `invalid-option` for another name
 */
export function simulatedAnswerer(model: string): Answerer {
  const delay = Number(NAME.exec(model)?.[1] ?? NaN);
  if (Number.isNaN(delay)) {
    throw new FastvError('invalid-option', 'a simulated model is named by its milliseconds a question', {
      where: `--model ${model}`,
      hint: 'for example --model simulated:20',
    });
  }
  return {
    identity: { model, options: {}, versions: {} },
    // as a real model would: together, as they come
    batches: (asks, _, most) =>
      Promise.resolve(
        Array.from({ length: Math.ceil(asks.length / most) }, (__, i) =>
          [...asks.keys()].slice(i * most, (i + 1) * most),
        ),
      ),
    async answer(asks, condition) {
      if (delay > 0) await sleep(delay * asks.length);
      return asks.map((ask) => simulatedAnswer(ask, condition, delay));
    },
  };
}

function simulatedAnswer({ prompt, images, candidates }: Ask, { name }: Condition, delay: number): Answer {
  const digest = createHash('sha256')
    .update(JSON.stringify([prompt, images.map(({ key }) => key), name]))
    .digest();
  return {
    text: digest.readUInt8(0) < 128 ? 'yes' : 'no',
    ...(candidates === undefined
      ? {}
      : { logLikelihoods: candidates.map((_, i) => -digest.readUInt8(1 + (i % 30)) / 16) }),
    cost: {
      ...{ tokens: 0, imageTokens: 0, keptImageTokens: 0, generatedTokens: 1 },
      ...{ visionMs: 0, prefillMs: delay, decodeMs: 0 },
    },
  };
}
