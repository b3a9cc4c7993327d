// The files of a model beside its graphs: the checkpoint's own, with what Transformers.js needs filled in.
import type { Config } from './checkpoint/config.js';
import { Config as Parsed } from './checkpoint/config.js';
import type { CheckpointFiles } from './checkpoint/files.js';
import type { BuiltPart } from './built-part.js';
import type { Family, FamilyParts, Json } from './families/family.js';

/** Files that are taken over as they are. */
const COPIED = [
  ...['generation_config.json', 'tokenizer.json', 'special_tokens_map.json', 'added_tokens.json'],
  ...['vocab.json', 'merges.txt', 'video_preprocessor_config.json', 'chat_template.json'],
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
  const made = (await family.files?.(config, files)) ?? {};
  const own = async (name: string): Promise<Json> => ({ ...(await json(name)), ...made[name] });
  for (const name of COPIED) {
    if (made[name] !== undefined) add(name, await own(name));
    else if (has(name)) content.push([name, await files.text(name)]);
  }
  const tokenizer = await own('tokenizer_config.json');
  const template = await chatTemplate(files, tokenizer);
  // Transformers.js reads some families' templates from a file of their own, and the others' from here alone
  if (template !== undefined) content.push(['chat_template.jinja', template]);
  add(
    'tokenizer_config.json',
    template === undefined ? tokenizer : { chat_template: template, ...tokenizer },
  );
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

/** The chat template, wherever the checkpoint keeps it. */
async function chatTemplate(files: CheckpointFiles, tokenizer: Json): Promise<string | undefined> {
  if (files.names.includes('chat_template.jinja')) return files.text('chat_template.jinja');
  const where = `${files.where}/chat_template.json`;
  const own = files.names.includes('chat_template.json')
    ? Parsed.parse(await files.text('chat_template.json'), where).fields
    : tokenizer;
  const template = own['chat_template'];
  return typeof template === 'string' ? template : undefined;
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
