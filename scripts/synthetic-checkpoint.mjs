/**
 * Writes a checkpoint of LLaVA-1.5-7B's shapes with random float16 weights, to measure `fastv build` without its 14 GB:
 *
 *     node scripts/synthetic-checkpoint.mjs FOLDER [--layers 32] [--vision-layers 24] [--width 7b|13b]
 *
 * Its tokenizer is the tiny one of test/fixtures/vlm/llava, with <image> where LLaVA-1.5 has it: what is built is measured,
 * not talked to. A run that is broken off goes on where it was.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    layers: { type: 'string', default: '32' },
    'vision-layers': { type: 'string', default: '24' },
    width: { type: 'string', default: '7b' },
  },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('give a folder');
const layers = Number(values.layers);
const visionLayers = Number(values['vision-layers']);
const { hidden, inner, heads } =
  values.width === '13b'
    ? { hidden: 5120, inner: 13824, heads: 40 }
    : { hidden: 4096, inner: 11008, heads: 32 };
const VOCABULARY = 32064;
const VISION = { hidden: 1024, inner: 4096 };

/** The shards: [name, shape] of each tensor. */
const language = 'language_model.model';
const shards = [
  [[`${language}.embed_tokens.weight`, [VOCABULARY, hidden]]],
  ...Array.from({ length: layers }, (_, i) => [
    ...['q', 'k', 'v', 'o'].map((name) => [
      `${language}.layers.${i}.self_attn.${name}_proj.weight`,
      [hidden, hidden],
    ]),
    [`${language}.layers.${i}.mlp.gate_proj.weight`, [inner, hidden]],
    [`${language}.layers.${i}.mlp.up_proj.weight`, [inner, hidden]],
    [`${language}.layers.${i}.mlp.down_proj.weight`, [hidden, inner]],
    [`${language}.layers.${i}.input_layernorm.weight`, [hidden]],
    [`${language}.layers.${i}.post_attention_layernorm.weight`, [hidden]],
  ]),
  [
    [`${language}.norm.weight`, [hidden]],
    ['language_model.lm_head.weight', [VOCABULARY, hidden]],
  ],
  vision(),
];

function vision() {
  const { hidden: width, inner: wide } = VISION;
  const tower = 'vision_tower.vision_model';
  const pair = (name, [outputs, ...inputs]) => [
    [`${name}.weight`, [outputs, ...inputs]],
    [`${name}.bias`, [outputs]],
  ];
  return [
    [`${tower}.embeddings.class_embedding`, [width]],
    [`${tower}.embeddings.patch_embedding.weight`, [width, 3, 14, 14]],
    [`${tower}.embeddings.position_embedding.weight`, [577, width]],
    ...pair(`${tower}.pre_layrnorm`, [width]),
    ...pair(`${tower}.post_layernorm`, [width]),
    ...Array.from({ length: visionLayers }, (_, i) => `${tower}.encoder.layers.${i}`).flatMap((layer) => [
      ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((name) =>
        pair(`${layer}.self_attn.${name}`, [width, width]),
      ),
      ...pair(`${layer}.layer_norm1`, [width]),
      ...pair(`${layer}.layer_norm2`, [width]),
      ...pair(`${layer}.mlp.fc1`, [wide, width]),
      ...pair(`${layer}.mlp.fc2`, [width, wide]),
    ]),
    ...pair('multi_modal_projector.linear_1', [hidden, width]),
    ...pair('multi_modal_projector.linear_2', [hidden, hidden]),
  ];
}

/** Float16 numbers between 0.0078 and 0.031 of either sign: the exponents 2^-7 and 2^-6. */
const noise = new Uint16Array(2 ** 22);
let state = 1;
for (let i = 0; i < noise.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  noise[i] = ((state >>> 16) & 0x83ff) | ((8 + ((state >>> 8) & 1)) << 10);
}
const block = new Uint8Array(noise.buffer);

mkdirSync(folder, { recursive: true });
const weightMap = {};
shards.forEach((tensors, number) => {
  const file = `model-${String(number + 1).padStart(5, '0')}-of-${String(shards.length).padStart(5, '0')}.safetensors`;
  let offset = 0;
  const header = {};
  for (const [name, shape] of tensors) {
    const bytes = 2 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: 'F16', shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
    weightMap[name] = file;
  }
  if (existsSync(join(folder, file))) return;
  const text = new TextEncoder().encode(JSON.stringify(header));
  const unfinished = join(folder, `${file}.unfinished`);
  const fd = openSync(unfinished, 'w');
  writeSync(fd, new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer));
  writeSync(fd, text);
  for (let left = offset; left > 0; left -= block.length)
    writeSync(fd, block, 0, Math.min(block.length, left));
  closeSync(fd);
  renameSync(unfinished, join(folder, file));
});
const json = (name, value) => writeFileSync(join(folder, name), JSON.stringify(value, null, 2));
json('model.safetensors.index.json', { metadata: {}, weight_map: weightMap });
json('config.json', {
  architectures: ['LlavaForConditionalGeneration'],
  model_type: 'llava',
  image_token_index: 32000,
  projector_hidden_act: 'gelu',
  vision_feature_layer: -2,
  vision_feature_select_strategy: 'default',
  text_config: {
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: inner,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    vocab_size: VOCABULARY,
  },
  vision_config: {
    model_type: 'clip_vision_model',
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: visionLayers,
    num_attention_heads: 16,
    image_size: 336,
    patch_size: 14,
  },
});

const tiny = join(import.meta.dirname, '..', 'test', 'fixtures', 'vlm', 'llava');
for (const name of ['special_tokens_map.json', 'chat_template.json', 'processor_config.json'])
  copyFileSync(join(tiny, name), join(folder, name));
const read = (name) => JSON.parse(readFileSync(join(tiny, name), 'utf8'));
/** The tiny tokenizer's ids of <image> and <pad>, and LLaVA's. */
const moved = new Map([
  [380, 32000],
  [381, 32001],
]);
const tokenizer = read('tokenizer.json');
for (const token of tokenizer.added_tokens) token.id = moved.get(token.id) ?? token.id;
json('tokenizer.json', tokenizer);
const { added_tokens_decoder: added, ...tokenizerConfig } = read('tokenizer_config.json');
const renumbered = Object.entries(added).map(([id, token]) => [moved.get(Number(id)) ?? id, token]);
json('tokenizer_config.json', { ...tokenizerConfig, added_tokens_decoder: Object.fromEntries(renumbered) });
json('generation_config.json', { bos_token_id: 1, eos_token_id: 2, pad_token_id: 32001 });
const side = { height: 336, width: 336 };
json('preprocessor_config.json', {
  ...read('preprocessor_config.json'),
  crop_size: side,
  size: { shortest_edge: 336 },
});
