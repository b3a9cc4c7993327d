/** A sample: one question of a task, ready to be asked. Its images are decoded only when they are needed. */
import { choicesWithin, withoutLetter } from './choices-within.js';
import { bracketChoices, inlineChoices, letteredChoices, renderPrompt } from './prompt.js';
import type { Task } from './task.js';
import { readPicture, rowBudget, type Picture } from '../datasets/picture.js';
import {
  field,
  integerField,
  LIMITS,
  listField,
  optionalText,
  rowError,
  textField,
  textListField,
  whereOf,
  type Row,
} from '../datasets/row.js';
import { readFrames } from '../datasets/video.js';
import { normalizeText } from '../metrics/exact-match.js';
import { tooLongToScore } from '../metrics/limits.js';
import { letter } from '../metrics/multiple-choice.js';

export interface Sample {
  readonly task: string;
  /** Unique in its task, and the same whenever the task is read. */
  readonly id: string;
  readonly prompt: string;
  /** The choices, or null for an open question. */
  readonly choices: readonly string[] | null;
  /** Right answers as text. */
  readonly answers: readonly string[];
  /** Where right answers depend on the images (boxes in shares of them): the answers on these. */
  answersOn?(images: readonly Picture[]): readonly string[];
  /** The right choice's position, or null. */
  readonly answerIndex: number | null;
  readonly category: string | null;
  readonly group: string | null;
  readonly maxTokens: number;
  /** Where it comes from, for messages. */
  readonly where: string;
  /** Whether they are the frames of one video. */
  readonly video?: boolean;
  /** Whether the prompt says where each image goes. */
  readonly interleaved?: boolean;
  /** Decodes its images. @throws FastvError naming file, row and field */
  images(): Promise<readonly Picture[]>;
}

/** How choices can be written in a prompt. */
const CHOICE_NAMES: ReadonlyMap<string, (choices: readonly string[]) => string> = new Map([
  ['choices', letteredChoices],
  ['inline-choices', inlineChoices],
  ['bracket-choices', bracketChoices],
]);

/** Fetches an image that lies elsewhere, by its id. */
export type ImageById = (row: Row, id: string) => Promise<Picture>;

export interface SampleContext {
  /** Where paths of images and names of videos begin. */
  readonly imageFolder?: string;
  readonly imageById?: ImageById;
}

/**
 * The samples of a row: one, or one for each item of the fields to explode; none if the row is not wanted.
 * @param id of the row, unique in the task
 * @throws FastvError `invalid-input` naming file, row and field
 */
export function samplesOf(task: Task, row: Row, id: string, context: SampleContext = {}): readonly Sample[] {
  for (const [name, wanted] of Object.entries(task.where ?? {})) {
    if (
      typeof wanted === 'string'
        ? optionalText(row, name) !== wanted
        : integerField(row, name) >= wanted.below
    )
      return [];
  }
  const lists = (task.explode ?? []).map((name) => ({ name, items: listField(row, name) }));
  const [first] = lists;
  if (first === undefined) return [sampleOf(task, row, id, context)];
  const uneven = lists.find((l) => l.items.length !== first.items.length);
  if (uneven !== undefined) {
    throw rowError(
      row,
      uneven.name,
      `${uneven.items.length} items, but ${first.items.length} in ${first.name}`,
    );
  }
  return first.items.map((_, i) => {
    const fields = { ...row.fields, ...Object.fromEntries(lists.map((l) => [l.name, l.items[i]])) };
    return sampleOf(task, { ...row, fields }, `${id}.${i}`, context);
  });
}

function sampleOf(task: Task, row: Row, id: string, context: SampleContext): Sample {
  const choices = choicesOf(task, row);
  const lookup = (name: string): string | null => {
    const written = CHOICE_NAMES.get(name);
    if (written === undefined) {
      return Array.isArray(field(row, name)) ? textListField(row, name).join(', ') : optionalText(row, name);
    }
    return choices === null ? null : written(choices);
  };
  const prompt = renderPrompt(task.prompt, lookup, task.remove, (name) =>
    rowError(row, name, `the prompt needs {${name}}, which is absent or empty`),
  );
  if (prompt === '') throw rowError(row, undefined, 'the prompt is empty');
  const { answers, answerIndex } = answersOf(task, row, choices);
  const tooLong = tooLongToScore([...answers, ...(choices ?? [])]);
  if (tooLong !== null) throw rowError(row, undefined, tooLong);
  return {
    task: task.name,
    id,
    prompt,
    choices,
    answers,
    answerIndex,
    category: categoryOf(task, row),
    group: groupOf(task, row),
    maxTokens: task.maxTokens,
    where: whereOf(row),
    ...('video' in task.images ? { video: true } : {}),
    ...(task.interleaved === true ? { interleaved: true } : {}),
    ...('box' in task.answer ? { answersOn: boxOn(row, task.answer.box) } : {}),
    images: () => imagesOf(task, row, context),
  };
}

function categoryOf({ category }: Task, row: Row): string | null {
  if (category === undefined) return null;
  if (typeof category === 'string') return optionalText(row, category);
  const text = optionalText(row, category.field);
  const part = text?.split(category.within).slice(1, -1).join(category.within);
  return part === undefined || part === '' ? null : part;
}

function groupOf({ group }: Task, row: Row): string | null {
  if (group === undefined) return null;
  if (typeof group === 'string') return textField(row, group);
  if ('field' in group) return String(integerField(row, group.field) % group.modulo);
  return group.map((name) => textField(row, name)).join('/');
}

function choicesOf(task: Task, row: Row): readonly string[] | null {
  if (task.choices === undefined) return null;
  if ('within' in task.choices) return choicesWithin(textField(row, task.choices.within));
  if ('list' in task.choices) {
    const { list, lettered } = task.choices;
    const choices = textListField(row, list).map((text, i) =>
      lettered === true ? withoutLetter(text, i) : text,
    );
    if (choices.length > 26) throw rowError(row, list, 'there are more than 26 choices');
    // an empty list is an open question among closed ones, as MMMU has them
    return choices.length === 0 ? null : choices;
  }
  const texts = task.choices.fields.map((name) => optionalText(row, name));
  const last = texts.findLastIndex((t) => t !== null);
  if (last < 1) throw rowError(row, task.choices.fields.join(', '), 'at least two choices are needed');
  return texts.slice(0, last + 1).map((text, i) => {
    if (text === null)
      throw rowError(row, 'fields' in (task.choices ?? {}) ? letter(i) : undefined, 'a choice is empty');
    return text;
  });
}

function answersOf(
  task: Task,
  row: Row,
  choices: readonly string[] | null,
): { answers: readonly string[]; answerIndex: number | null } {
  const { answer } = task;
  if ('box' in answer) return { answers: [boxOf(row, answer.box).join(', ')], answerIndex: null };
  if ('field' in answer) {
    const answers =
      answer.all === true ? textListField(row, answer.field, answer.item) : [textField(row, answer.field)];
    if (answers.length === 0) throw rowError(row, answer.field, 'there is no answer');
    return { answers, answerIndex: null };
  }
  const { choice: name } = answer;
  if (choices === null) {
    const value = field(row, name);
    const several = Array.isArray(value) || (typeof value === 'string' && value.startsWith('['));
    return { answers: several ? textListField(row, name) : [textField(row, name)], answerIndex: null };
  }
  const index = choiceIndex(row, name, answer.as, choices);
  const right = choices[index];
  if (right === undefined) {
    const text = textField(row, name).slice(0, 40);
    throw rowError(row, name, `the answer ${JSON.stringify(text)} is none of the ${choices.length} choices`);
  }
  return { answers: [right], answerIndex: index };
}

/** A box in pixels: left, top, width and height. */
function boxOf(row: Row, name: string): readonly number[] {
  const box = listField(row, name);
  const sides = box.filter((side): side is number => typeof side === 'number' && Number.isFinite(side));
  if (box.length !== 4 || sides.length !== 4 || sides.slice(2).some((length) => length <= 0))
    throw rowError(row, name, 'a box is needed: left, top, width and height in pixels');
  return sides;
}

/** A box in shares of the image, as models write it: `[x1, y1, x2, y2]`. */
function boxOn(row: Row, name: string): (images: readonly Picture[]) => readonly string[] {
  const [left = 0, top = 0, width = 0, height = 0] = boxOf(row, name);
  return ([image]) => {
    if (image === undefined) throw rowError(row, name, 'a box needs an image');
    const sides = [
      ...[left / image.width, top / image.height],
      ...[(left + width) / image.width, (top + height) / image.height],
    ];
    return [`[${sides.join(', ')}]`];
  };
}

function choiceIndex(
  row: Row,
  name: string,
  as: 'index' | 'letter' | 'text',
  choices: readonly string[],
): number {
  if (as === 'index') return integerField(row, name);
  const text = textField(row, name).trim();
  if (as === 'text') return choices.findIndex((c) => normalizeText(c) === normalizeText(text));
  return /^[A-Za-z]$/.test(text) ? text.toUpperCase().charCodeAt(0) - 65 : -1;
}

async function imagesOf(
  task: Task,
  row: Row,
  { imageFolder, imageById }: SampleContext,
): Promise<readonly Picture[]> {
  const { images, data } = task;
  if ('video' in images) {
    const name = textField(row, images.video);
    return readFrames(row, images.video, name, images.frames, imageFolder, images.folders);
  }
  if (data.kind === 'repository' && data.imagesFrom !== undefined && imageById !== undefined) {
    return [await imageById(row, textField(row, data.imagesFrom.key))];
  }
  const budget = rowBudget();
  const pictures: Picture[] = [];
  for (const name of images.fields) {
    const value = field(row, name);
    if (value === null || isEmptyImage(value)) continue;
    const several = Array.isArray(value) ? (value as unknown[]) : [value];
    for (const [i, one] of several.entries()) {
      if (pictures.length === LIMITS.images) {
        throw rowError(row, name, `at most ${LIMITS.images} images of a row are read`);
      }
      const place = several.length > 1 ? `${name}[${i}]` : name;
      pictures.push(await readPicture(row, place, one, imageFolder, budget));
    }
  }
  if (pictures.length === 0) throw rowError(row, images.fields.join(', '), 'there is no image');
  return pictures;
}

/** A hole in a column of images reads as {bytes: null, path: null} in some files. */
function isEmptyImage(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('bytes' in value)) return false;
  const { bytes, path } = value as { bytes: unknown; path?: unknown };
  return (bytes ?? null) === null && (path ?? null) === null;
}
