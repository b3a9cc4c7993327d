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
    const shown = sample.interleaved === true ? interleave(prompt, images) : { images };
    return { sample, ask: { sample: `${task}\n${id}`, ...shown, video, prompt, maxTokens, ...candidates } };
  } catch (error) {
    if (isOfRun(error)) throw error;
    onError(sample, error);
    return undefined;
  }
}

/**
 * Images where a prompt first names them (`<image 1>`, …), which are shown in that order; those that it does not name are
 * not shown. A prompt that names none has all of them in front.
 */
export function interleave<T>(
  prompt: string,
  images: readonly T[],
): { readonly images: readonly T[]; readonly parts?: readonly (string | null)[] } {
  const shown: T[] = [];
  const parts: (string | null)[] = [];
  let from = 0;
  for (const { 0: mark, 1: number, index } of prompt.matchAll(/<image (\d{1,2})>/g)) {
    const image = images[Number(number) - 1];
    if (image === undefined || shown.includes(image)) continue;
    if (index > from) parts.push(prompt.slice(from, index));
    parts.push(null);
    shown.push(image);
    from = index + mark.length;
  }
  if (shown.length === 0) return { images };
  if (from < prompt.length) parts.push(prompt.slice(from));
  return { images: shown, parts };
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
