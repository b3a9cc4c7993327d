// Prompts, on the embedded model's processor and on one of a Qwen-like family with another image token.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Conversation, type Message } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';

const PAD = '<|image_pad|>';
const image = { data: new Uint8ClampedArray(96 * 96 * 3), width: 96, height: 96 };
const user = (text: string, images = 0): Message => ({
  role: 'user',
  text,
  images: Array.from({ length: images }, () => image),
});
const ids = ({ input_ids: tensor }: { readonly input_ids: Tensor }): number[] =>
  Array.from(tensor.data as BigInt64Array, Number);

/** What an Idefics 3 processor puts around the image tokens of a tile. */
const SMOL_TOKENS = ['<fake_token_around_image>', '<global-img>', '<row_1_col_1>'];

let llava: Conversation;
let qwen: Conversation;
let smol: Conversation;
let folder = '';
beforeAll(async () => {
  llava = await Conversation.load(EMBEDDED_MODEL);
  folder = mkdtempSync(join(tmpdir(), 'fastv-conversation-'));
  const read = (name: string): string => readFileSync(join(EMBEDDED_MODEL, name), 'utf8');
  const json = (name: string): Record<string, unknown> => JSON.parse(read(name)) as Record<string, unknown>;
  const write = (name: string, value: unknown): void => {
    writeFileSync(join(folder, name), JSON.stringify(value));
  };
  write('tokenizer.json', JSON.parse(read('tokenizer.json').replaceAll('"<image>"', `"${PAD}"`)));
  const tokenizer = json('tokenizer_config.json');
  const template = String(tokenizer['chat_template']).replaceAll('<image>', PAD);
  write('tokenizer_config.json', { ...tokenizer, image_token: PAD, chat_template: template });
  write('config.json', { ...json('config.json'), model_type: 'qwen2_vl' });
  write('preprocessor_config.json', {
    processor_class: 'Qwen2VLProcessor',
    image_processor_type: 'Qwen2VLImageProcessor',
    do_rescale: true,
    do_normalize: true,
    do_resize: true,
    do_convert_rgb: true,
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    merge_size: 2,
    patch_size: 14,
    temporal_patch_size: 2,
    min_pixels: 3136,
    max_pixels: 100352,
    size: { shortest_edge: 3136, longest_edge: 100352 },
  });
  qwen = await Conversation.load(folder);

  const own = JSON.parse(read('tokenizer.json')) as { added_tokens: object[] };
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const tiles = SMOL_TOKENS.map((content, i) => ({ id: 900 + i, content, ...flags }));
  write('tokenizer.json', { ...own, added_tokens: [...own.added_tokens, ...tiles] });
  write('tokenizer_config.json', tokenizer);
  write('config.json', { ...json('config.json'), model_type: 'smolvlm' });
  write('preprocessor_config.json', {
    processor_class: 'Idefics3Processor',
    image_processor_type: 'Idefics3ImageProcessor',
    do_image_splitting: true,
    max_image_size: { longest_edge: 512 },
    size: { longest_edge: 2048 },
  });
  write('processor_config.json', { processor_class: 'Idefics3Processor', image_seq_len: 64 });
  smol = await Conversation.load(folder);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('a text', () => {
  it.each([0, 1])('with the family’s own image token is refused, with %d images', async (images) => {
    for (const [conversation, token] of [
      [llava, '<image>'],
      [qwen, PAD],
    ] as const) {
      await expect(conversation.inputs([user(`What is ${token}?`, images)])).rejects.toMatchObject({
        code: 'invalid-input',
        message: `the text contains ${token}, which stands for an image`,
      });
    }
  });

  it.each(['<image>', ...SMOL_TOKENS])(
    'with %s is refused for SmolVLM, whose tiles are told apart',
    async (token) => {
      await expect(smol.inputs([user(`What is ${token}?`, 0)])).rejects.toMatchObject({
        code: 'invalid-input',
        message: `the text contains ${token}, which stands for an image`,
      });
      expect(await smol.inputs([user('What is in row_1_col_1, <row 1>?', 0)])).toHaveProperty('input_ids');
    },
  );

  it('with another family’s is text', async () => {
    expect(await qwen.inputs([user('How do I write an <image> tag?', 1)])).toHaveProperty('image_grid_thw');
    const plain = await llava.inputs([user(`How do I write ${PAD}?`, 1)]);
    expect(ids(plain).filter((id) => id === 3)).toHaveLength(144);
  });

  it('may have every control character, the marker of earlier versions too', async () => {
    const first = user('Say \u0001fastv-answer\u0001 or \u0001fastv-answer-0\u0001.\u0000\u0007', 1);
    const inputs = await llava.inputs([first]);
    const sequences = new Tensor('int64', BigInt64Array.from([...ids(inputs), 5, 2], BigInt), [
      1,
      ids(inputs).length + 2,
    ]);
    const answer: Message = { role: 'assistant', text: llava.tokenizer.decode([5]) };
    const next = await llava.continued([first, answer], sequences, user('And now?'));
    // what the turn adds is as long as it is after a harmless one
    const harmless = user('Say something.', 1);
    const before = await llava.inputs([harmless]);
    const said = new Tensor('int64', BigInt64Array.from([...ids(before), 5, 2], BigInt), [
      1,
      ids(before).length + 2,
    ]);
    const same = await llava.continued([harmless, answer], said, user('And now?'));
    expect(ids(next).slice(ids(inputs).length)).toEqual(ids(same).slice(ids(before).length));
  });
});

describe('several conversations', () => {
  it('are batched by length, so that none is padded', async () => {
    const all = ['A dog?', 'How many red cars are in the image?', 'A cat?', 'What is it?'].map((text) => [
      user(text, 1),
    ]);
    const batches = await llava.batches(all);
    expect(batches.flatMap(({ rows }) => rows).sort()).toEqual([0, 1, 2, 3]);
    expect(batches.find(({ rows }) => rows.includes(0))?.rows).toContain(2);
    for (const { rows, inputs } of batches) {
      expect(Array.from(inputs.attention_mask.data as BigInt64Array)).not.toContain(0n);
      const length = inputs.input_ids.dims[1] ?? 0;
      for (const [i, row] of rows.entries()) {
        const alone = await llava.inputs(all[row] ?? []);
        expect(ids(inputs).slice(i * length, (i + 1) * length)).toEqual(ids(alone));
      }
    }
  });
});

describe('the answers of a batch', () => {
  it('end where each row ended, whatever Transformers.js went on with', async () => {
    const inputs = await llava.batch([[user('A dog?', 1)], [user('What is it?', 1)]]);
    const [, length = 0] = inputs.input_ids.dims;
    const made = [
      [5, 2, 7],
      [5, 6, 7],
    ].map((row, i) => [...ids(inputs).slice(i * length, (i + 1) * length), ...row]);
    const sequences = new Tensor('int64', BigInt64Array.from(made.flat(), BigInt), [2, length + 3]);
    const said = (row: number[]): string => llava.tokenizer.decode(row).trim();
    expect(llava.answers(inputs, sequences)).toEqual([said([5]), said([5, 6, 7])]);
  });
});
