/** The form of a task file (`--task-file`), which is that of `Task`, as a schema: `docs/task.schema.json` is made of it. */
import { z } from 'zod';
import { SPLITS } from '../../scenes/dataset.js';
import { FAMILIES } from '../../scenes/question.js';
import { METRICS } from '../metrics/index.js';

const text = z
  .string({ error: 'a text is needed' })
  .min(1, { error: 'a text is needed' })
  .max(10_000, { error: 'a text of at most 10,000 characters is needed' });
const texts = z
  .array(text, { error: 'a list of texts is needed' })
  .min(1, { error: 'a list of texts is needed' })
  .max(100, { error: 'a list of at most 100 texts is needed' });
const count = (most: number): z.ZodNumber =>
  z
    .int({ error: `a whole number from 1 to ${most} is needed` })
    .min(1, { error: `a whole number from 1 to ${most} is needed` })
    .max(most, { error: `a whole number from 1 to ${most} is needed` });
const oneOf = <const T extends readonly [string, ...string[]] | readonly string[]>(
  names: T,
): z.ZodType<T[number]> => z.enum(names, { error: `one of ${names.join(', ')} is needed` });
const record = <T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> =>
  z.strictObject(shape, {
    error: ({ code }) => (code === 'invalid_type' ? 'a record is needed' : undefined),
  });

const data = z.discriminatedUnion(
  'kind',
  [
    record({ kind: z.literal('scenes'), split: oneOf(SPLITS), family: oneOf(FAMILIES) }),
    record({
      kind: z.literal('repository'),
      repository: text,
      config: z.union([text, texts]).exactOptional(),
      split: text,
      revision: text.exactOptional(),
      imagesFrom: record({ config: text, split: text, key: text, id: text, image: text }).exactOptional(),
    }),
    record({ kind: z.literal('files'), repository: text, files: texts, revision: text.exactOptional() }),
    record({
      kind: z.literal('annotations'),
      ...{ repository: text, questions: text, answers: text, on: text },
    }),
  ],
  {
    error: ({ input }) =>
      typeof input === 'object' && input !== null
        ? 'one of scenes, repository, files, annotations is needed'
        : 'a record is needed',
  },
);

/** A task file. */
export const taskSchema = record({
  $schema: text.exactOptional().meta({ description: 'where this schema is, for editors' }),
  name: text.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, { error: 'lower-case letters, digits, - . _ only' }),
  about: text.exactOptional().meta({ description: 'one line: what it asks' }),
  source: text.exactOptional().meta({ description: 'the paper that it is from' }),
  data: data.meta({ description: 'where its rows come from' }),
  where: z
    .record(text, z.union([text, record({ below: count(Number.MAX_SAFE_INTEGER) })]), {
      error: 'a record is needed',
    })
    .exactOptional()
    .meta({ description: 'only rows whose fields have these values, or numbers below these' }),
  explode: texts
    .exactOptional()
    .meta({ description: 'list fields of equal length: a row is one sample an item' }),
  images: z
    .union([
      record({ fields: texts }),
      record({ video: text, frames: count(64), folders: texts.exactOptional() }),
    ])
    .meta({ description: 'where its images are: fields, or the name of a video' }),
  prompt: z
    .array(z.string({ error: 'a list of texts is needed' }), { error: 'a list of texts is needed' })
    .min(1, { error: 'a list of texts is needed' })
    .max(100, { error: 'a list of at most 100 texts is needed' })
    .meta({
      description:
        "the prompt's lines: {field}, {choices}, {inline-choices}, {bracket-choices}, {?field}, {!field}",
    }),
  remove: texts
    .exactOptional()
    .meta({ description: 'pieces that are taken out of what fields bring into the prompt' }),
  choices: z
    .union([
      record({ list: text, lettered: z.boolean({ error: 'true or false is needed' }).exactOptional() }),
      record({ within: text }),
      record({ fields: texts }),
    ])
    .exactOptional(),
  answer: z.union([
    record({
      field: text,
      all: z.boolean({ error: 'true or false is needed' }).exactOptional(),
      item: text.exactOptional(),
    }),
    record({ choice: text, as: oneOf(['index', 'letter', 'text'] as const) }),
    record({ box: text }),
  ]),
  metric: oneOf(METRICS.map(({ name }) => name)).meta({ description: 'how answers are scored' }),
  category: z
    .union([text, record({ field: text, within: text })])
    .exactOptional()
    .meta({ description: 'a field by which scores are also given separately, or a part of one' }),
  group: z
    .union([text, texts, record({ field: text, modulo: count(Number.MAX_SAFE_INTEGER) })])
    .exactOptional()
    .meta({ description: 'what rows of one unit share' }),
  interleaved: z
    .boolean({ error: 'true or false is needed' })
    .exactOptional()
    .meta({ description: 'the prompt says where each image goes: <image 1>, …' }),
  maxTokens: count(4096).meta({ description: 'tokens of an answer at most' }),
});

/** The schema as JSON Schema (draft 2020-12). */
export function taskJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(taskSchema), title: 'A task of the fastv laboratory' };
}
