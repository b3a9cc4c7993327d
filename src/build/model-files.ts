// The files of a model beside its graphs: the checkpoint's own, with what Transformers.js needs filled in.
import type { Config } from './checkpoint/config.js';
import { Config as Parsed } from './checkpoint/config.js';
import type { CheckpointFiles } from './checkpoint/files.js';
import type { BuiltPart } from './built-part.js';
import type { Family, FamilyParts, Json } from './families/family.js';

/** Files that are taken over as they are. */
const COPIED = [
  ...['generation_config.json', 'tokenizer.json', 'special_tokens_map.json', 'added_tokens.json'],
  ...[
    'vocab.json',
    'merges.txt',
    'video_preprocessor_config.json',
    'chat_template.json',
    'chat_template.jinja',
  ],
  'qwen.tiktoken',
] as const;

/** The files by name. config.json is the last: a folder without it is no model. */
export async function modelFiles(
  files: CheckpointFiles,
  family: Family,
  config: Config,
  parts: FamilyParts,
  built: readonly BuiltPart[],
): Promise<[name: string, content: string][]> {
  const has = (name: string): boolean => files.names.includes(name);
  const json = async (name: string): Promise<Json> =>
    has(name) ? Parsed.parse(await files.text(name), `${files.where}/${name}`).fields : {};
  const content: [string, string][] = [];
  const add = (name: string, value: Json): void => {
    if (Object.keys(value).length > 0) content.push([name, `${JSON.stringify(value, null, 2)}\n`]);
  };
  for (const name of COPIED) if (has(name)) content.push([name, await files.text(name)]);
  add('tokenizer_config.json', await tokenizerConfig(files, await json('tokenizer_config.json')));
  const [processor, preprocessor] = [
    await json('processor_config.json'),
    await json('preprocessor_config.json'),
  ];
  add('processor_config.json', family.processor?.(config, processor) ?? processor);
  add('preprocessor_config.json', withSteps(family.preprocessor?.(config, preprocessor) ?? preprocessor));
  add('config.json', {
    ...(family.config?.(config, parts) ?? config.fields),
    'transformers.js_config': transformersJs(built),
  });
  return content;
}

/** What Hugging Face's image processors do unless the file says no, and Transformers.js's only if it says yes. */
function withSteps(own: Json): Json {
  if (Object.keys(own).length === 0) return own;
  const steps = Object.fromEntries(
    ['do_resize', 'do_rescale', 'do_normalize'].map((step) => [step, own[step] ?? true]),
  );
  return { ...own, ...steps };
}

/** Transformers.js reads most templates from tokenizer_config.json alone. */
async function tokenizerConfig(files: CheckpointFiles, own: Json): Promise<Json> {
  if (typeof own['chat_template'] === 'string') return own;
  if (files.names.includes('chat_template.jinja')) {
    return { ...own, chat_template: await files.text('chat_template.jinja') };
  }
  if (!files.names.includes('chat_template.json')) return own;
  const where = `${files.where}/chat_template.json`;
  const { fields } = Parsed.parse(await files.text('chat_template.json'), where);
  return { ...own, chat_template: fields['chat_template'] };
}

/** Which dtype each part has, and how many weight files. */
function transformersJs(built: readonly BuiltPart[]): Json {
  const entries = built.map(({ part, dtype, files }) => ({
    part,
    dtype,
    graph: files[0]?.name ?? '',
    data: files.length - 1,
  }));
  return {
    dtype: Object.fromEntries(entries.map(({ part, dtype }) => [part, dtype])),
    use_external_data_format: Object.fromEntries(entries.map(({ graph, data }) => [graph, data])),
  };
}
