/** Asking: questions of a window of samples, in batches, each sample behind its own boundary. */
import { FastvError } from '../errors.js';
import type { Answer, Answerer, Ask, Condition } from './answerer.js';
import { letter } from './metrics/multiple-choice.js';
import type { AnsweringOptions } from './result.js';
import type { Sample } from './tasks/sample.js';

/** A question with the sample that it is of. */
export interface Asked {
  readonly sample: Sample;
  readonly ask: Ask;
}

/** An answer with the sample that it is to, and what was asked. */
export interface Answered extends Asked {
  readonly answer: Answer;
}

/** Takes what went wrong with a sample; if it returns, the run goes on without it. */
export type OnSampleError = (sample: Sample, error: unknown) => void;

/** The question of a sample, its images decoded. Undefined where they cannot be. */
export async function askOf(
  sample: Sample,
  { choices }: AnsweringOptions,
  onError: OnSampleError,
): Promise<Asked | undefined> {
  const candidates =
    choices === 'likelihood' && sample.choices !== null
      ? { candidates: sample.choices.map((_, i) => letter(i)) }
      : {};
  const { task, id, prompt, maxTokens, video = false } = sample;
  try {
    const images = await sample.images();
    return { sample, ask: { sample: `${task}\n${id}`, images, video, prompt, maxTokens, ...candidates } };
  } catch (error) {
    if (isOfRun(error)) throw error;
    onError(sample, error);
    return undefined;
  }
}

/** Questions that are asked at once: as the answerer can, else as they come. */
export async function batchesOf(
  answerer: Answerer,
  asked: readonly Asked[],
  condition: Condition,
  most: number,
): Promise<readonly (readonly Asked[])[]> {
  const places = await answerer.batches?.(
    asked.map((a) => a.ask),
    condition,
    most,
  );
  if (places !== undefined) return places.map((batch) => batch.flatMap((place) => asked[place] ?? []));
  return Array.from({ length: Math.ceil(asked.length / most) }, (_, i) =>
    asked.slice(i * most, (i + 1) * most),
  );
}

/** Answers to a batch; if one question spoils it, they are asked one by one. */
export async function answersTo(
  answerer: Answerer,
  asked: readonly Asked[],
  condition: Condition,
  onError: OnSampleError,
): Promise<Answered[]> {
  try {
    const answers = await answerer.answer(
      asked.map((a) => a.ask),
      condition,
    );
    return asked.map(({ sample, ask }, i) => {
      const answer = answers[i];
      if (answer === undefined)
        throw new Error(`the model gave ${answers.length} answers to ${asked.length} questions`);
      return { sample, ask, answer };
    });
  } catch (error) {
    if (isOfRun(error)) throw error;
    if (asked.length > 1) {
      const each: Answered[] = [];
      for (const one of asked) each.push(...(await answersTo(answerer, [one], condition, onError)));
      return each;
    }
    const [one] = asked;
    if (one === undefined) return [];
    onError(one.sample, error);
    return [];
  }
}

/** A program that is not installed (ffmpeg), an option that makes no sense: every sample would be skipped for it. */
function isOfRun(error: unknown): boolean {
  return error instanceof FastvError && error.code !== 'invalid-input';
}
