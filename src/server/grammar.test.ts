import { afterAll, beforeAll, expect, it } from 'vitest';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { Conversation } from '../runtime/conversation.js';
import { Grammars, type GrammarUse } from './grammar.js';

let grammars: Grammars;
const use: GrammarUse = { param: 'schema', signal: new AbortController().signal, until: () => undefined };

beforeAll(async () => {
  const { tokenizer } = await Conversation.load(EMBEDDED_MODEL);
  grammars = new Grammars(tokenizer, 840, new Set([2]));
});
afterAll(() => {
  grammars.close();
});

it('allows what the schema allows, token by token, and nothing else', async () => {
  const { tokenizer } = await Conversation.load(EMBEDDED_MODEL);
  const schema = {
    type: 'object',
    properties: { a: { enum: ['x'] } },
    required: ['a'],
    additionalProperties: false,
  };
  const constraint = await (await grammars.of(schema, use))();
  let text = '';
  for (let i = 0; i < 20; i++) {
    const allowed = await constraint.allowed();
    const id = Array.from({ length: 840 }, (_, one) => one).find(
      (one) => (((allowed[one >> 5] ?? 0) >>> (one & 31)) & 1) === 1,
    );
    if (id === undefined) throw new Error('nothing is allowed');
    constraint.accept(id);
    if (id === 2) break;
    text += tokenizer.decode([id]);
  }
  constraint.close();
  expect(text).toBe('{"a":"x"}');
});

it('makes a new start after a schema that it cannot take', async () => {
  await expect(grammars.of({ type: 'nope' }, use)).rejects.toMatchObject({
    status: 400,
    param: 'schema',
  });
  expect(await grammars.of(undefined, use)).toBeTypeOf('function');
});

it('gives up a schema that takes too long, and others wait for nothing', async () => {
  const constraint = await (await grammars.of({ type: 'null' }, use))();
  const rows = Array.from({ length: 500 }, (_, i) => Array.from({ length: 2000 }, (__, j) => i * j));
  const endless = grammars.of({ enum: rows }, use);
  const first = await Promise.race([constraint.allowed(), endless.catch(() => 'given up')]);
  expect(first).toBeInstanceOf(Int32Array);
  await expect(endless).rejects.toMatchObject({
    ...{ status: 400, param: 'schema' },
    message: 'a grammar of this schema takes more time or memory than it may',
  });
  constraint.accept(2);
  constraint.close();
});

it('has so many at once: the next one waits until nobody uses one of them, or for as long as it may', async () => {
  const { tokenizer } = await Conversation.load(EMBEDDED_MODEL);
  const few = new Grammars(tokenizer, 840, new Set([2]), 2);
  const ends: (() => void)[] = [];
  const held = { ...use, until: (end: () => void) => void ends.push(end) };
  await few.of({ const: 1 }, held);
  await few.of({ const: 2 }, held);
  // one that there is needs no room
  expect(await few.of({ const: 2 }, use)).toBeTypeOf('function');
  const away = new AbortController();
  const given = few.of({ const: 3 }, { ...use, signal: away.signal });
  away.abort(new Error('gone'));
  await expect(given).rejects.toThrow('gone');
  const third = few.of({ const: 3 }, use);
  ends[0]?.();
  expect(await third).toBeTypeOf('function');
  few.close();
});
