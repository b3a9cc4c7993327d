/** The original and the pruned model on the same input: what `run --compare` and `demo` measure. */
import { median } from '../statistics.js';
import { ask, type Answer, type GeneratingModel } from '../runtime/ask.js';
import type { Conversation, ModelInputs } from '../runtime/conversation.js';

/** What is reported of several runs: the first answer, and the medians of the times. */
export interface Measured extends Omit<Answer, 'sequences'> {
  readonly runs: number;
}

/** One of several that are to be compared. */
export interface Contender {
  readonly model: GeneratingModel;
  readonly fastv?: { readonly ratio: number };
}

/** Asks each once to warm up, then `repeat` times in turns, so that a busy machine is busy for all of them. */
export async function measure(
  contenders: readonly Contender[],
  conversation: Conversation,
  inputs: ModelInputs,
  { maxNewTokens, repeat }: { readonly maxNewTokens: number; readonly repeat: number },
): Promise<Measured[]> {
  const answers = contenders.map((): Answer[] => []);
  for (let round = 0; round <= repeat; round++) {
    for (const [i, { model, fastv }] of contenders.entries()) {
      const options = {
        maxNewTokens: round === 0 ? 1 : maxNewTokens,
        ...(fastv === undefined ? {} : { fastv }),
      };
      const answer = await ask(model, conversation, inputs, options);
      if (round > 0) answers[i]?.push(answer);
    }
  }
  return answers.map(medians);
}

function medians(answers: readonly Answer[]): Measured {
  const [first] = answers;
  if (first === undefined) throw new RangeError('at least one run is needed');
  const { text, tokens, report } = first;
  const rates = answers.flatMap(({ tokensPerSecond }) =>
    tokensPerSecond === undefined ? [] : [tokensPerSecond],
  );
  return {
    text,
    tokens,
    report,
    runs: answers.length,
    ttftMs: median(answers.map(({ ttftMs }) => ttftMs)),
    prefillMs: median(answers.map(({ prefillMs }) => prefillMs)),
    totalMs: median(answers.map(({ totalMs }) => totalMs)),
    tokensPerSecond: rates.length === 0 ? undefined : median(rates),
  };
}
