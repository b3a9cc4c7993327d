// Qwen-VL-Chat (arXiv 2308.12966). Its image tokens are those between <img> and </img>, whatever their ids: the ids spell
// the picture's path.
import type { Config } from '../checkpoint/config.js';
import { DataType } from '../../onnx/tensor.js';
import { qwen } from '../parts/decoders/qwen.js';
import { qwenVlChatTower } from '../parts/towers/qwen-vl-chat.js';
import { tiktokenTokenizer } from '../tiktoken.js';
import { asLlava, textFields, type Family, type Json } from './family.js';

/** Tokens of a picture, whatever its size: the resampler's queries. */
const TOKENS = 256;

/** Special tokens behind the vocabulary, in tokenization_qwen.py's order. */
const SPECIAL = [
  ...['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
  ...Array.from({ length: 205 }, (_, i) => `<|extra_${i}|>`),
  ...['<ref>', '</ref>', '<box>', '</box>', '<quad>', '</quad>', '<img>', '</img>', '<imgpad>'],
];

/** ChatML, as Qwen's own code writes it: it has no template. The pictures of a conversation are numbered. */
const TEMPLATE = [
  "{%- set pictures = namespace(count=0) -%}{%- if messages[0]['role'] != 'system' -%}",
  "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{%- endif -%}",
  "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\n' }}",
  "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}",
  "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}{%- set pictures.count = pictures.count + 1 -%}",
  "{{ 'Picture ' + pictures.count|string + ': <img><imgpad></img>\n' }}{%- else -%}{{ part['text'] }}{%- endif -%}",
  "{%- endfor -%}{%- endif -%}{{ '<|im_end|>\n' }}{%- endfor -%}",
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}",
].join('');

/** Ids of the tags around a picture, and of what stands between them. */
function tags(config: Config): Json {
  const start = config.section('visual').int('image_start_id', 151857);
  return {
    image_start_id: start,
    image_end_id: start + 1,
    image_token_id: start + 2,
    image_token_index: start + 2,
  };
}

function pictureFiles(config: Config): Json {
  const side = config.section('visual').int('image_size', 448);
  return {
    processor_class: 'LlavaProcessor',
    image_processor_type: 'CLIPImageProcessor',
    size: { height: side, width: side },
    resample: 3,
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
  };
}

export const qwenVlChat: Family = {
  name: 'qwen-vl-chat',
  modelTypes: ['qwen'],
  parts: (config, weights) => {
    if (!config.has('visual'))
      throw config.refuse('visual', 'a tower: this is Qwen without one', 'unsupported-decoder');
    weights.ignore(/\.(?:rotary_emb\.inv_freq|attn\.bias|attn\.masked_bias)$/u);
    const model = weights.under('transformer.');
    const decoder = qwen(config, model, weights.under(''));
    const { vocabulary, hidden } = decoder;
    const visual = config.section('visual');
    return {
      decoder,
      embeddings: model.get('wte.weight', vocabulary, hidden),
      vision: (g) => {
        const side = visual.int('image_size', 448);
        const pixels = g.toFloat(g.input('pixel_values', DataType.FLOAT, ['num_images', 3, side, side]));
        const features = qwenVlChatTower(g, pixels, visual, model.under('visual.'));
        g.output('image_features', g.toFloat32(features), DataType.FLOAT, ['num_images', TOKENS, hidden]);
      },
    };
  },
  // it has neither class nor processor in Transformers.js: LLaVA's do what it needs
  config: (config, { decoder }) => ({
    ...config.fields,
    text_config: textFields({}, 'llama', decoder),
    ...asLlava(config),
    ...tags(config),
  }),
  processor: (config) => ({
    processor_class: 'LlavaProcessor',
    image_token: '<imgpad>',
    // one patch, and the others beside it
    patch_size: config.section('visual').int('image_size', 448),
    num_additional_image_tokens: TOKENS - 1,
  }),
  preprocessor: pictureFiles,
  files: async (_, files) => {
    const name = 'qwen.tiktoken';
    if (!files.names.includes(name)) return {};
    const tokenizer = tiktokenTokenizer(await files.text(name), SPECIAL, `${files.where}/${name}`);
    const ids = new Map(
      (tokenizer['added_tokens'] as { id: number; content: string }[]).map(({ id, content }) => [
        content,
        id,
      ]),
    );
    const [end, nothing] = [ids.get('<|im_end|>'), ids.get('<|endoftext|>')];
    return {
      'tokenizer.json': tokenizer,
      'tokenizer_config.json': {
        tokenizer_class: 'Qwen2Tokenizer',
        eos_token: '<|im_end|>',
        pad_token: '<|endoftext|>',
        bos_token: null,
        padding_side: 'left',
        clean_up_tokenization_spaces: false,
        chat_template: TEMPLATE,
      },
      'generation_config.json': { eos_token_id: [end, nothing], pad_token_id: nothing },
    };
  },
};
