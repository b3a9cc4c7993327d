// The questions of the browser test, and how they are asked: the same here and in the page.
import type { Tensor } from '@huggingface/transformers';
import type { Conversation } from '../../src/runtime/conversation.js';
import type { FastvHandle } from '../../src/runtime/plug.js';

/** One question, as plain data. */
export interface PageQuestion {
  readonly text: string;
  readonly size: number;
  /** RGB. */
  readonly pixels: readonly number[];
}

/** What was answered, and from which image tokens. */
export interface PageAnswer {
  readonly answer: string;
  readonly kept: readonly number[];
}

/** Asks everything, then lets go of the model. */
export async function askAll(
  model: { readonly fastv: FastvHandle },
  conversation: Conversation,
  questions: readonly PageQuestion[],
): Promise<PageAnswer[]> {
  const generating = model as typeof model & {
    generate(options: object): Promise<unknown>;
    dispose(): Promise<unknown>;
  };
  const answers: PageAnswer[] = [];
  for (const { text, size, pixels } of questions) {
    const image = { data: new Uint8ClampedArray(pixels), width: size, height: size };
    const inputs = await conversation.inputs([{ role: 'user', text, images: [image] }]);
    const sequences = (await generating.generate({ ...inputs, max_new_tokens: 8 })) as Tensor;
    answers.push({
      answer: conversation.answers(inputs, sequences)[0] ?? '',
      kept: model.fastv.last?.rows[0]?.keptIndices ?? [],
    });
  }
  await generating.dispose();
  return answers;
}
