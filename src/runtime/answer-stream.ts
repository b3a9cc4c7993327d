// An answer piece by piece, for `for await`.
import type { Answer } from './ask.js';

/**
 * An answer while it comes: its pieces in order, and the whole of it in the end. Who stops listening ends it.
 * @example
 * const stream = model.stream([{ role: 'user', text: 'What is this?', images: [picture] }], { maxNewTokens: 64 });
 * for await (const piece of stream) process.stdout.write(piece);
 * const { ttftMs, report } = await stream.answer;
 */
export interface AnswerStream extends AsyncIterable<string> {
  /** Times and report with it. Rejects with what ended the call, if something did. */
  readonly answer: Promise<Answer>;
}

/**
 * Makes a stream of a call.
 * @param run makes the call, telling each piece of text; ends at the signal
 */
export function streamOf(
  run: (onText: (text: string) => void, signal: AbortSignal) => Promise<Answer>,
  signal?: AbortSignal,
): AnswerStream {
  const gone = new AbortController();
  const pieces: string[] = [];
  let ended = false;
  let wake = (): void => undefined;
  const tell = (piece: string): void => {
    if (piece !== '') pieces.push(piece);
    wake();
  };
  const answer = run(tell, AbortSignal.any([gone.signal, ...(signal === undefined ? [] : [signal])])).finally(
    () => {
      ended = true;
      wake();
    },
  );
  // whoever only listens hears of a failure there
  answer.catch(() => undefined);
  async function* listen(): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        const piece = pieces.shift();
        if (piece !== undefined) yield piece;
        else if (ended) break;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      await answer;
    } finally {
      if (!ended) gone.abort(new DOMException('nobody listens to the answer', 'AbortError'));
    }
  }
  return { answer, [Symbol.asyncIterator]: listen };
}
