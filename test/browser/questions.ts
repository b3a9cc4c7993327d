// The questions of the browser test, and how they are asked: the same here and in the page.
import type { Tensor } from '@huggingface/transformers';
import type { inspectModel } from '../../src/runtime/inspect-model.js';
import type { OpenedModel, OpenOptions } from '../../src/runtime/open-model.js';
import type { Calibration } from '../../src/runtime/auto-ratio.js';
import type { Conversation } from '../../src/runtime/conversation.js';
import type { FastvHandle } from '../../src/runtime/plug.js';

/** One question, as plain data. */
export interface PageQuestion {
  readonly text: string;
  readonly size: number;
  /** RGB. */
  readonly pixels: readonly number[];
}

/** How the model prunes, K aside. */
export interface Pruning {
  readonly ratio: number;
  readonly preset?: 'sizes';
}

/** What was answered, and from which image tokens. */
export interface PageAnswer {
  readonly answer: string;
  readonly kept: readonly number[];
}

/** What the AI SDK's provider answered. */
export interface ProviderAnswer {
  readonly text: string;
  readonly tokens: number | undefined;
  readonly kept: unknown;
}

/** What an opened model says of itself, and answers. */
export interface OpenedAnswer {
  readonly text: string;
  readonly pieces: string;
  readonly calibration: Calibration | undefined;
  readonly imageTokens: number | undefined;
  readonly bytes: number | undefined;
}

/** Looks at a model, opens it with an R that it finds, and asks. */
export async function askOpened(
  open: (name: string, options: OpenOptions) => Promise<OpenedModel>,
  inspect: typeof inspectModel,
  name: string,
  { text, size, pixels }: PageQuestion,
): Promise<OpenedAnswer> {
  const { imageTokens, bytes } = await inspect(name);
  const image = { data: new Uint8ClampedArray(pixels), width: size, height: size };
  const question = [{ role: 'user', text, images: [image] }] as const;
  const tried = { ratios: [0.5, 0.75], maxNewTokens: 4 };
  const model = await open(name, {
    loading: { dtype: 'fp32' },
    fastv: { ratio: 'auto', samples: [question], calibrate: tried, onWarning: () => undefined },
  });
  const stream = model.stream(question, { maxNewTokens: 8 });
  let pieces = '';
  for await (const piece of stream) pieces += piece;
  const answer = await stream.answer;
  const { calibration } = model.fastv ?? {};
  await model.close();
  return { text: answer.text, pieces: pieces.trim(), calibration, imageTokens, bytes: bytes['fp32'] };
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
