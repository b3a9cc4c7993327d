// Checkpoints of one family differ: in their decoder, in the names of their weights, in where they keep templates and image
// processors. Tiny ones of each kind with seeded weights, against a decoder computed step by step in double precision.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from '../src/build/build.js';
import { seededRandom } from './toy/random.js';
import { textLogits, textWeights, type TextModel, type Weights } from './toy/text-model.js';
import { BuiltModel, farthest, FIXTURES, float32, int64 } from './vlm-golden.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-variants-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

type Json = Record<string, unknown>;
const LLAVA = join(FIXTURES, 'llava');
const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json'];

/** Bytes of float32 values in a format of safetensors, and those values as the format has them. */
function stored(values: Float32Array, format: 'F32' | 'BF16'): { bytes: Buffer; values: Float32Array } {
  if (format === 'F32') return { bytes: Buffer.from(values.slice().buffer), values };
  const bits = new Uint32Array(values.slice().buffer);
  const halves = Uint16Array.from(bits, (word) => word >>> 16);
  return {
    bytes: Buffer.from(halves.buffer),
    values: new Float32Array(Uint32Array.from(halves, (h) => h * 65536).buffer),
  };
}

function writeSafetensors(path: string, weights: Weights, format: 'F32' | 'BF16'): void {
  let offset = 0;
  const parts = [...weights].map(([name, { dims, values }]) => {
    const { bytes } = stored(values, format);
    const data_offsets = [offset, (offset += bytes.length)];
    return { entry: [name, { dtype: format, shape: dims, data_offsets }] as const, bytes };
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(parts.map(({ entry }) => entry))));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([size, header, ...parts.map(({ bytes }) => bytes)]));
}

const VISION = {
  model_type: 'clip_vision_model',
  ...{ hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, num_attention_heads: 2 },
  ...{ image_size: 8, patch_size: 4 },
};

/** A tower of two layers and a connector of features of `states` hidden states. */
function visionWeights(hidden: number, states: number, seed: number): Weights {
  const random = seededRandom(seed);
  const weights = new Map<string, { dims: number[]; values: Float32Array }>();
  const add = (name: string, ...dims: number[]): void => {
    const count = dims.reduce((a, b) => a * b, 1);
    weights.set(name, { dims, values: Float32Array.from({ length: count }, () => random() - 0.5) });
  };
  const linear = (name: string, outputs: number, ...inputs: number[]): void => {
    add(`${name}.weight`, outputs, ...inputs);
    add(`${name}.bias`, outputs);
  };
  const tower = 'vision_tower.vision_model';
  add(`${tower}.embeddings.class_embedding`, 8);
  add(`${tower}.embeddings.patch_embedding.weight`, 8, 3, 4, 4);
  add(`${tower}.embeddings.position_embedding.weight`, 5, 8);
  for (const name of ['pre_layrnorm', 'post_layernorm']) linear(`${tower}.${name}`, 8);
  for (const i of [0, 1]) {
    const at = `${tower}.encoder.layers.${i}`;
    for (const one of ['q', 'k', 'v', 'out']) linear(`${at}.self_attn.${one}_proj`, 8, 8);
    for (const one of ['1', '2']) linear(`${at}.layer_norm${one}`, 8);
    linear(`${at}.mlp.fc1`, 12, 8);
    linear(`${at}.mlp.fc2`, 8, 12);
  }
  linear('multi_modal_projector.linear_1', hidden, 8 * states);
  linear('multi_modal_projector.linear_2', hidden, hidden);
  return weights;
}

/** How transformers has named a LLaVA's text model, and how it does since version 4.52. */
const OLD = (name: string): string => `language_model.${name}`;
const NEW = (name: string): string => name.replace(/^model\./u, 'model.language_model.');
const newVision = (name: string): string =>
  `model.${name.replace('vision_tower.vision_model', 'vision_tower')}`;

interface Variant {
  readonly text: Json;
  readonly config?: Json;
  readonly layout?: 'old' | 'new';
  readonly format?: 'F32' | 'BF16';
  readonly vision?: Weights;
}

/** Writes a LLaVA with these weights. */
function checkpoint(
  weights: Weights,
  hidden: number,
  { text, config = {}, layout = 'old', format = 'F32', vision = visionWeights(hidden, 1, 7) }: Variant,
): string {
  const to = join(folder, 'checkpoint');
  mkdirSync(to);
  for (const name of TOKENIZER) cpSync(join(LLAVA, name), join(to, name));
  const rename = layout === 'old' ? OLD : NEW;
  const all: Weights = new Map([
    ...[...weights].map(([name, tensor]) => [rename(name), tensor] as const),
    ...[...vision].map(([name, tensor]) => [layout === 'old' ? name : newVision(name), tensor] as const),
  ]);
  writeSafetensors(join(to, 'model.safetensors'), all, format);
  const whole = {
    model_type: 'llava',
    image_token_index: 3,
    ...config,
    text_config: text,
    vision_config: VISION,
  };
  writeFileSync(join(to, 'config.json'), JSON.stringify(whole));
  return to;
}

const BASE: TextModel = {
  ...{ hidden: 16, heads: 4, kvHeads: 2, headSize: 8, inner: 20, layers: 3, vocabulary: 24, epsilon: 1e-5 },
  bias: {},
  tied: false,
  frequencies: plain(8, 10000),
};

function plain(size: number, theta: number): number[] {
  return Array.from({ length: size / 2 }, (_, i) => theta ** (-(2 * i) / size));
}

function configOf(m: TextModel, more: Json): Json {
  return {
    ...{
      hidden_size: m.hidden,
      intermediate_size: m.inner,
      num_hidden_layers: m.layers,
      vocab_size: m.vocabulary,
    },
    ...{
      num_attention_heads: m.heads,
      num_key_value_heads: m.kvHeads,
      head_dim: m.headSize,
      rms_norm_eps: m.epsilon,
    },
    max_position_embeddings: 64,
    ...more,
  };
}

/** transformers, modeling_rope_utils.py, _compute_llama3_parameters: by wave lengths, where the builder goes by turns. */
function llama3(size: number, theta: number): number[] {
  const [factor, low, high, length] = [8, 1, 4, 32];
  return plain(size, theta).map((frequency) => {
    const wave = (2 * Math.PI) / frequency;
    if (wave < length / high) return frequency;
    if (wave > length / low) return frequency / factor;
    const smooth = (length / wave - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}

/** _compute_yarn_parameters of the same file. */
function yarn(size: number, theta: number): number[] {
  const [factor, length] = [4, 16];
  const dim = (turns: number): number =>
    (size * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(Math.floor(dim(32)), 0);
  const high = Math.min(Math.ceil(dim(1)), size - 1);
  return plain(size, theta).map((frequency, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (frequency / factor) * ramp + frequency * (1 - ramp);
  });
}

const LENGTH = 12;

describe('a decoder', () => {
  const cases: readonly (readonly [string, TextModel, Omit<Variant, 'text'> & { readonly text: Json }])[] = [
    ['LLaMA, grouped, wide heads, positions slowed linearly', { ...BASE, frequencies: plain(8, 5000).map((f) => f / 4) }, { text: { rope_theta: 5000, rope_scaling: { type: 'linear', factor: 4 } } }],
    ['LLaMA 3.1, tied, names of transformers 5', { ...BASE, tied: true, frequencies: llama3(8, 500) }, {
      text: { tie_word_embeddings: true, rope_parameters: { rope_type: 'llama3', rope_theta: 500, factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 } },
      config: { tie_word_embeddings: true }, layout: 'new',
    }],
    ['LLaMA with every bias and YaRN, bfloat16', { ...BASE, heads: 2, headSize: 12, bias: { qkv: true, o: true, mlp: true }, frequencies: yarn(12, 100), length: 0.1 * Math.log(4) + 1 }, {
      text: { attention_bias: true, mlp_bias: true, rope_theta: 100, rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 } }, format: 'BF16',
    }],
    ['Mistral, whose every layer has a window', { ...BASE, window: () => 4 }, { text: { model_type: 'mistral', sliding_window: 4 } }],
    ['Qwen2, whose upper layers have a window', { ...BASE, heads: 6, kvHeads: 1, bias: { qkv: true }, window: (layer) => (layer >= 1 ? 3 : LENGTH) }, {
      text: { model_type: 'qwen2', use_sliding_window: true, sliding_window: 3, max_window_layers: 1, rope_scaling: { rope_type: 'dynamic', factor: 2 } },
    }],
    ['Qwen2, whose layers with a window are listed', { ...BASE, bias: { qkv: true }, window: (layer) => (layer === 1 ? 3 : LENGTH) }, {
      text: { model_type: 'qwen2', use_sliding_window: true, sliding_window: 3, layer_types: ['full_attention', 'sliding_attention', 'full_attention'] },
    }],
    ['Qwen3, normed heads, tied where one of two places says so', { ...BASE, headNorms: true, tied: true, headSize: 16, frequencies: plain(16, 10000) }, { text: { model_type: 'qwen3' }, config: { tie_word_embeddings: true }, layout: 'new' }],
  ]; // prettier-ignore

  it.each(cases)('of %s', async (_, model, variant) => {
    const made = textWeights(model, 3);
    const format = variant.format ?? 'F32';
    const weights = new Map(
      [...made].map(([name, { dims, values }]) => [name, { dims, values: stored(values, format).values }]),
    );
    const from = checkpoint(weights, model.hidden, { ...variant, text: configOf(model, variant.text) });
    const output = join(folder, 'model');
    await build(from, output);
    const random = seededRandom(5);
    const rows = Array.from({ length: LENGTH }, () =>
      Array.from({ length: model.hidden }, () => Math.fround(random() - 0.5)),
    );
    const built = new BuiltModel(output);
    const session = await built.decoder();
    const none = (name: string): ort.Tensor => {
      const info = session.inputMetadata.find((one) => one.name === name);
      const [, heads, , size] = info?.isTensor === true ? info.shape : [];
      return float32(new Float32Array(), [1, Number(heads), 0, Number(size)]);
    };
    const places = Array.from({ length: LENGTH }, (_, i) => i);
    const { logits } = await session.run({
      inputs_embeds: float32(Float32Array.from(rows.flat()), [1, LENGTH, model.hidden]),
      attention_mask: int64(
        places.map(() => 1),
        [1, LENGTH],
      ),
      position_ids: int64(places, [1, LENGTH]),
      num_logits_to_keep: new ort.Tensor('int64', [0n], []),
      ...Object.fromEntries(
        session.inputNames.filter((name) => name.startsWith('past')).map((name) => [name, none(name)]),
      ),
    });
    await session.release();
    const wanted = textLogits(model, weights, rows).flat();
    expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(0.5);
    expect(farthest(logits?.data as Float32Array, wanted)).toBeLessThan(1e-4);
  });

  it.each([
    [{ partial_rotary_factor: 0.5 }, /"partial_rotary_factor" is 0.5/],
    [{ rope_parameters: { rope_type: 'longrope' } }, /"rope_type" is "longrope"/],
    [{ model_type: 'gemma2' }, /"model_type" is "gemma2"/],
    [{ num_attention_heads: 3 }, /num_key_value_heads/],
  ])('that is not known is refused: %j', async (text, message) => {
    const from = checkpoint(textWeights(BASE, 3), BASE.hidden, { text: configOf(BASE, text) });
    await expect(build(from, join(folder, 'model'))).rejects.toThrow(message);
  });
});

describe('an image token', () => {
  it('that has no row in the embeddings is any other until its features take its place', async () => {
    const weights = textWeights(BASE, 3);
    const text = configOf(BASE, {});
    const from = checkpoint(weights, BASE.hidden, { text, config: { image_token_index: BASE.vocabulary } });
    await build(from, join(folder, 'model'));
    const { data } = await new BuiltModel(join(folder, 'model')).embed([5, BASE.vocabulary]);
    const rows = weights.get('model.embed_tokens.weight')?.values.subarray(0, 6 * BASE.hidden) ?? [];
    expect(Array.from((data as Float32Array).subarray(0, BASE.hidden))).toEqual(
      Array.from(rows).slice(5 * BASE.hidden),
    );
  });
});

describe('features', () => {
  /** Of a picture, with a connector that takes one or two hidden states. */
  async function features(config: Json, vision: Weights): Promise<Float32Array> {
    const from = checkpoint(textWeights(BASE, 3), BASE.hidden, { text: configOf(BASE, {}), config, vision });
    const output = join(folder, 'model');
    await build(from, output);
    const pixels = Float32Array.from({ length: 3 * 64 }, (_, i) => Math.sin(i));
    const { image_features: found } = await new BuiltModel(output).run('vision_encoder', {
      pixel_values: float32(pixels, [1, 3, 8, 8]),
    });
    for (const one of ['model', 'checkpoint']) rmSync(join(folder, one), { recursive: true });
    return found?.data as Float32Array;
  }

  it.each(['default', 'full'])('of several hidden states lie side by side (%s)', async (strategy) => {
    const one = visionWeights(BASE.hidden, 1, 7);
    const name = 'multi_modal_projector.linear_1.weight';
    const narrow = one.get(name)?.values ?? new Float32Array();
    for (const [place, layer] of [-2, 0].entries()) {
      const wide = new Float32Array(BASE.hidden * 16);
      for (let o = 0; o < BASE.hidden; o++) wide.set(narrow.subarray(o * 8, (o + 1) * 8), o * 16 + 8 * place);
      const two = new Map([...one, [name, { dims: [BASE.hidden, 16], values: wide }]]);
      const picked = { vision_feature_select_strategy: strategy };
      const alone = await features({ ...picked, vision_feature_layer: layer }, one);
      expect(alone).toHaveLength((strategy === 'full' ? 5 : 4) * BASE.hidden);
      expect(farthest(await features({ ...picked, vision_feature_layer: [-2, 0] }, two), alone)).toBeLessThan(
        1e-5,
      );
    }
  });
});

describe('the files beside the weights', () => {
  const read = (name: string): Json => JSON.parse(readFileSync(join(folder, 'model', name), 'utf8')) as Json;
  async function built(files: Readonly<Record<string, Json | string>>): Promise<void> {
    const from = checkpoint(textWeights(BASE, 3), BASE.hidden, { text: configOf(BASE, {}) });
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(from, name), typeof content === 'string' ? content : JSON.stringify(content));
    await build(from, join(folder, 'model'));
  }
  const [image, textOnly] = ['{{ image }}', '{{ text }}'];

  it.each([
    ['in a file of its own', { 'chat_template.jinja': image }],
    ['in chat_template.json', { 'chat_template.json': { chat_template: image } }],
    ["in the processor's configuration", { 'processor_config.json': { chat_template: image } }],
    ["in the tokenizer's, by its name", { 'tokenizer_config.json': { chat_template: [{ name: 'tool_use', template: textOnly }, { name: 'default', template: image }] } }],
    ["beside the tokenizer's, which knows no images", { 'chat_template.json': { chat_template: image }, 'tokenizer_config.json': { chat_template: textOnly } }],
  ])('have the template that is %s', async (_, files) => {
    await built(files);
    expect(read('tokenizer_config.json')['chat_template']).toBe(image);
    expect(readFileSync(join(folder, 'model/chat_template.jinja'), 'utf8')).toBe(image);
  }); // prettier-ignore

  it('have the image processor that transformers 5 keeps in the processor’s configuration', async () => {
    const inside = { image_processor_type: 'CLIPImageProcessorPil', size: { shortest_edge: 8 } };
    await built({ 'processor_config.json': { image_processor: inside, processor_class: 'LlavaProcessor' } });
    expect(read('preprocessor_config.json')).toMatchObject({
      image_processor_type: 'CLIPImageProcessor',
      do_resize: true,
    });
    expect(read('processor_config.json')).not.toHaveProperty('image_processor');
  });

  it('must have a tokenizer.json', async () => {
    const from = checkpoint(textWeights(BASE, 3), BASE.hidden, { text: configOf(BASE, {}) });
    rmSync(join(from, 'tokenizer.json'));
    writeFileSync(join(from, 'tokenizer.model'), '');
    await expect(build(from, join(folder, 'model'))).rejects.toThrow(
      /no tokenizer.json, and none is made of tokenizer.model/,
    );
  });
});
