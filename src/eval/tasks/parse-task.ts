/** A user's own task, read from JSON and checked: the same form as the built-in ones (`task.ts`). */
import { FastvError } from '../../errors.js';
import { SPLITS } from '../../scenes/dataset.js';
import { FAMILIES } from '../../scenes/question.js';
import { METRICS } from '../metrics/index.js';
import type { AnswerSource, ChoiceSource, DataSource, ImageSource, Task } from './task.js';

type Json = Readonly<Record<string, unknown>>;

/**
 * A task from the text of a JSON file.
 * @param file its name, for messages
 * @throws FastvError `invalid-option` naming file and field
 */
export function parseTask(text: string, file: string): Task {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FastvError('invalid-option', `the task is no JSON: ${String(error)}`, {
      where: file,
      cause: error,
    });
  }
  const at = new Checker(file);
  const task = at.record(value, 'task');
  at.only(task, 'task', [
    ...[
      'name',
      'about',
      'source',
      'data',
      'where',
      'explode',
      'images',
      'prompt',
      'remove',
      'choices',
      'answer',
    ],
    ...['metric', 'category', 'group', 'maxTokens'],
  ]);
  const name = at.text(task['name'], 'name');
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name))
    throw at.error('name', 'lower-case letters, digits, - . _ only');
  const { maxTokens } = task;
  if (typeof maxTokens !== 'number' || !Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > 4096) {
    throw at.error('maxTokens', 'a whole number from 1 to 4096 is needed');
  }
  const where = task['where'] === undefined ? undefined : at.record(task['where'], 'where');
  return {
    name,
    about: at.text(task['about'] ?? name, 'about'),
    source: at.text(task['source'] ?? file, 'source'),
    data: dataOf(at, at.record(task['data'], 'data')),
    images: imagesOf(at, at.record(task['images'], 'images')),
    prompt: at.texts(task['prompt'], 'prompt'),
    answer: answerOf(at, at.record(task['answer'], 'answer')),
    metric: at.oneOf(
      task['metric'],
      'metric',
      METRICS.map((metric) => metric.name),
    ),
    maxTokens,
    ...(where === undefined
      ? {}
      : {
          where: Object.fromEntries(
            Object.entries(where).map(([k, v]) => [k, wantedOf(at, v, `where.${k}`)]),
          ),
        }),
    ...(task['explode'] === undefined ? {} : { explode: at.texts(task['explode'], 'explode') }),
    ...(task['remove'] === undefined ? {} : { remove: at.texts(task['remove'], 'remove') }),
    ...(task['choices'] === undefined
      ? {}
      : { choices: choicesOf(at, at.record(task['choices'], 'choices')) }),
    ...(task['category'] === undefined ? {} : { category: categoryOf(at, task['category']) }),
    ...(task['group'] === undefined ? {} : { group: groupOf(at, task['group']) }),
  };
}

function wantedOf(at: Checker, wanted: unknown, path: string): string | { readonly below: number } {
  if (typeof wanted !== 'object') return at.text(wanted, path);
  return { below: at.number(at.record(wanted, path)['below'], `${path}.below`) };
}

function categoryOf(at: Checker, category: unknown): NonNullable<Task['category']> {
  if (typeof category !== 'object') return at.text(category, 'category');
  const { field, within } = at.record(category, 'category');
  return { field: at.text(field, 'category.field'), within: at.text(within, 'category.within') };
}

function groupOf(at: Checker, group: unknown): NonNullable<Task['group']> {
  if (typeof group !== 'object') return at.text(group, 'group');
  const { field, modulo } = at.record(group, 'group');
  return { field: at.text(field, 'group.field'), modulo: at.number(modulo, 'group.modulo') };
}

function dataOf(at: Checker, data: Json): DataSource {
  const kind = at.oneOf(data['kind'], 'data.kind', ['scenes', 'repository', 'annotations'] as const);
  const text = (name: string): string => at.text(data[name], `data.${name}`);
  switch (kind) {
    case 'scenes':
      return {
        kind,
        split: at.oneOf(data['split'], 'data.split', SPLITS),
        family: at.oneOf(data['family'], 'data.family', FAMILIES),
      };
    case 'annotations':
      return {
        kind,
        repository: text('repository'),
        questions: text('questions'),
        answers: text('answers'),
        on: text('on'),
      };
    case 'repository': {
      const { config, imagesFrom, revision } = data;
      const from = imagesFrom === undefined ? undefined : at.record(imagesFrom, 'data.imagesFrom');
      const part = (name: string): string => at.text(from?.[name], `data.imagesFrom.${name}`);
      return {
        kind,
        repository: text('repository'),
        split: text('split'),
        ...(revision === undefined ? {} : { revision: text('revision') }),
        ...(config === undefined
          ? {}
          : { config: typeof config === 'string' ? config : at.texts(config, 'data.config') }),
        ...(from === undefined
          ? {}
          : {
              imagesFrom: {
                config: part('config'),
                split: part('split'),
                key: part('key'),
                id: part('id'),
                image: part('image'),
              },
            }),
      };
    }
  }
}

function imagesOf(at: Checker, images: Json): ImageSource {
  if (images['video'] === undefined) return { fields: at.texts(images['fields'], 'images.fields') };
  const { frames } = images;
  if (typeof frames !== 'number' || !Number.isInteger(frames) || frames < 1 || frames > 64) {
    throw at.error('images.frames', 'a whole number from 1 to 64 is needed');
  }
  return {
    video: at.text(images['video'], 'images.video'),
    frames,
    ...(images['folders'] === undefined ? {} : { folders: at.texts(images['folders'], 'images.folders') }),
  };
}

function choicesOf(at: Checker, choices: Json): ChoiceSource {
  return choices['list'] === undefined
    ? { fields: at.texts(choices['fields'], 'choices.fields') }
    : { list: at.text(choices['list'], 'choices.list') };
}

function answerOf(at: Checker, answer: Json): AnswerSource {
  if (answer['choice'] !== undefined) {
    return {
      choice: at.text(answer['choice'], 'answer.choice'),
      as: at.oneOf(answer['as'], 'answer.as', ['index', 'letter', 'text'] as const),
    };
  }
  const { all, item } = answer;
  if (all !== undefined && typeof all !== 'boolean') throw at.error('answer.all', 'true or false is needed');
  return {
    field: at.text(answer['field'], 'answer.field'),
    ...(all === undefined ? {} : { all }),
    ...(item === undefined ? {} : { item: at.text(item, 'answer.item') }),
  };
}

/** Checks values and says where they are wrong. */
class Checker {
  private readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  error(path: string, message: string): FastvError {
    return new FastvError('invalid-option', message, { where: `${this.file}, ${path}` });
  }

  record(value: unknown, path: string): Json {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.error(path, 'a record is needed');
    return value as Json;
  }

  text(value: unknown, path: string): string {
    if (typeof value !== 'string' || value === '' || value.length > 10_000)
      throw this.error(path, 'a text is needed');
    return value;
  }

  number(value: unknown, path: string): number {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
      throw this.error(path, 'a whole number, 1 or more, is needed');
    return value;
  }

  texts(value: unknown, path: string): readonly string[] {
    if (
      !Array.isArray(value) ||
      value.length === 0 ||
      value.length > 100 ||
      value.some((v) => typeof v !== 'string')
    ) {
      throw this.error(path, 'a list of texts is needed');
    }
    return value as string[];
  }

  oneOf<T extends string>(value: unknown, path: string, allowed: readonly T[]): T {
    const found = allowed.find((a) => a === value);
    if (found === undefined) throw this.error(path, `one of ${allowed.join(', ')} is needed`);
    return found;
  }

  only(record: Json, path: string, allowed: readonly string[]): void {
    const stranger = Object.keys(record).find((key) => !allowed.includes(key));
    if (stranger !== undefined)
      throw this.error(path, `there is no field ${JSON.stringify(stranger.slice(0, 60))}`);
  }
}
