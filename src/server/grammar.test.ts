import { expect, it } from 'vitest';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { Conversation } from '../runtime/conversation.js';
import { Grammars } from './grammar.js';

it('allows what the schema allows, token by token, and nothing else', async () => {
  const { tokenizer } = await Conversation.load(EMBEDDED_MODEL);
  const grammars = new Grammars(tokenizer, 840, new Set([2]));
  const schema = {
    type: 'object',
    properties: { a: { enum: ['x'] } },
    required: ['a'],
    additionalProperties: false,
  };
  const constraint = await (await grammars.of(schema, 'schema'))();
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
  // nothing is left of what the library wants of the global object
  expect(globalThis).not.toHaveProperty('xgrammar');
  expect(globalThis).not.toHaveProperty('__filename');
});

it('makes a new start after a schema that it cannot take', async () => {
  const { tokenizer } = await Conversation.load(EMBEDDED_MODEL);
  const grammars = new Grammars(tokenizer, 840, new Set([2]));
  await expect(grammars.of({ type: 'nope' }, 'schema')).rejects.toMatchObject({
    status: 400,
    param: 'schema',
  });
  expect(await grammars.of(undefined, 'schema')).toBeTypeOf('function');
});
