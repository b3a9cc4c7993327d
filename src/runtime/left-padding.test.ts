// Batches of rows of different lengths, on a decoder that is told positions: a toy one with the embedded model's other
// parts. Transformers.js 4.3 forgets the padding at decoding steps; the plug keeps it.
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutoModelForImageTextToText, type Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toyConfig } from '../../test/toy/config.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { Conversation, type Message, type ModelInputs } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { fastv, type WithFastv } from './index.js';

const NEW_TOKENS = 6;
const embedded = JSON.parse(readFileSync(join(EMBEDDED_MODEL, 'config.json'), 'utf8')) as {
  text_config: { hidden_size: number; vocab_size: number };
};
const { hidden_size: hidden, vocab_size: vocab } = embedded.text_config;
const decoder = toyConfig({ hidden, vocab, maxPositions: 512 });

interface Generates {
  generate(options: Record<string, unknown>): Promise<unknown>;
  dispose(): Promise<unknown>;
}

let folder = '';
let conversation: Conversation;
let model: WithFastv<Generates>;
let original: Generates;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-left-padding-'));
  await mkdir(join(folder, 'onnx'));
  for (const name of await readdir(EMBEDDED_MODEL)) {
    if (name.endsWith('.json')) await cp(join(EMBEDDED_MODEL, name), join(folder, name));
  }
  const text = {
    ...embedded.text_config,
    num_hidden_layers: decoder.layers,
    num_attention_heads: decoder.heads,
    num_key_value_heads: decoder.kvHeads,
    head_dim: decoder.headDim,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...embedded, text_config: text }));
  for (const name of ['embed_tokens.onnx', 'vision_encoder.onnx']) {
    await cp(join(EMBEDDED_MODEL, 'onnx', name), join(folder, 'onnx', name));
  }
  await writeFile(join(folder, 'onnx', 'decoder_model_merged.onnx'), toyDecoder(decoder).bytes);
  conversation = await Conversation.load(folder);
  const options = { dtype: 'fp32', cache: false, onWarning: () => undefined };
  model = await fastv(AutoModelForImageTextToText as never, folder, options);
  original = (await AutoModelForImageTextToText.from_pretrained(folder, { dtype: 'fp32' })) as Generates;
}, 120_000);
afterAll(async () => {
  await Promise.all([model.dispose(), original.dispose()]);
  await rm(folder, { recursive: true });
});

/** Questions of different lengths, each about an image of its own. */
const questions = ['A dog?', 'How many red cars are in the image?', 'What is left of the tree?'];
const rows: Message[][] = questions.map((text, row) => {
  const data = Uint8ClampedArray.from({ length: 96 * 96 * 3 }, (_, i) => (i * (37 + row)) % 251);
  return [{ role: 'user', text, images: [{ data, width: 96, height: 96 }] }];
});

/** The new tokens of each row. */
async function generated(
  from: Generates,
  inputs: ModelInputs,
  options: Record<string, unknown> = {},
): Promise<number[][]> {
  const given = { ...inputs, max_new_tokens: NEW_TOKENS, min_new_tokens: NEW_TOKENS, ...options };
  const sequences = (await from.generate(given)) as Tensor;
  const [batch = 0, length = 0] = sequences.dims;
  const ids = Array.from(sequences.data as BigInt64Array, Number);
  return Array.from({ length: batch }, (_, row) =>
    ids.slice((row + 1) * length - NEW_TOKENS, (row + 1) * length),
  );
}

describe('a batch padded on the left', () => {
  it.each([0, 0.5, 0.9])('gives each row the tokens that it gets alone, at R = %d', async (ratio) => {
    const inputs = await conversation.batch(rows);
    const padding = Array.from(inputs.attention_mask.data as BigInt64Array).filter((bit) => bit === 0n);
    expect(padding.length).toBeGreaterThan(0);
    const together = await generated(model, inputs, { fastv: { ratio } });
    const alone: number[][] = [];
    for (const row of rows) {
      alone.push(...(await generated(model, await conversation.inputs(row), { fastv: { ratio } })));
    }
    expect(together).toEqual(alone);
    expect(new Set(alone.map(String)).size).toBe(rows.length);
  });

  it('alone and at R = 0, a row gets the tokens of the original', async () => {
    for (const row of rows) {
      const inputs = await conversation.inputs(row);
      expect(await generated(model, inputs, { fastv: { ratio: 0 } })).toEqual(
        await generated(original, inputs),
      );
    }
  });
});
