/** The original and the pruned model on the same input: what `run --compare` and `demo` measure. */
import { ask, type Answer, type GeneratingModel } from '../runtime/ask.js';
import type { Conversation, ModelInputs } from '../runtime/conversation.js';

/** What is reported of several runs: the first answer, and the medians of the times. */
export interface Measured extends Omit<Answer, 'sequences'> {
  readonly runs: number;
}

/** Asks once to warm up, then `repeat` times. */
export async function measure(
  model: GeneratingModel,
  conversation: Conversation,
  inputs: ModelInputs,
  options: { readonly maxNewTokens: number; readonly repeat: number; readonly fastv?: { ratio: number } },
): Promise<Measured> {
  const call = options.fastv === undefined ? {} : { fastv: options.fastv };
  await ask(model, conversation, inputs, { maxNewTokens: 1, ...call });
  const answers: Answer[] = [];
  for (let i = 0; i < options.repeat; i++) {
    answers.push(await ask(model, conversation, inputs, { maxNewTokens: options.maxNewTokens, ...call }));
  }
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

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? 0) + (sorted[Math.floor(half)] ?? 0)) / 2;
}
