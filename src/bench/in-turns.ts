/** The original and the pruned model on the same input: what `run --compare` and `demo` measure. */
import type { Answer } from '../runtime/ask.js';
import type { ModelInputs } from '../runtime/conversation.js';
import type { OpenedModel } from '../runtime/model.js';
import { median } from '../statistics.js';

/** What is reported of several runs: the first answer, and the medians of the times. */
export interface Measured extends Omit<Answer, 'sequences'> {
  readonly runs: number;
}

/** One of several that are to be compared. */
export interface Contender {
  readonly model: OpenedModel;
  readonly ratio?: number;
}

/** Asks each once to warm up, then `repeat` times in turns, so that a busy machine is busy for all of them. */
export async function measure(
  contenders: readonly Contender[],
  inputs: ModelInputs,
  { maxNewTokens, repeat }: { readonly maxNewTokens: number; readonly repeat: number },
): Promise<Measured[]> {
  const answers = contenders.map((): Answer[] => []);
  for (let round = 0; round <= repeat; round++) {
    for (const [i, { model, ratio }] of contenders.entries()) {
      const answer = await model.ask(inputs, {
        maxNewTokens: round === 0 ? 1 : maxNewTokens,
        ...(ratio === undefined ? {} : { ratio }),
      });
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
