// The files of a model beside its graphs: the checkpoint's own, with what Transformers.js needs filled in.
import { FastvError } from '../errors.js';
import { Config as Parsed, isObject, type Config } from './checkpoint/config.js';
import type { CheckpointFiles } from './checkpoint/files.js';
import type { BuiltPart } from './built-part.js';
import type { Family, FamilyParts, Json } from './families/family.js';

/** Files that are taken over as they are. */
const COPIED = [
  ...['generation_config.json', 'tokenizer.json', 'special_tokens_map.json', 'added_tokens.json'],
  ...['vocab.json', 'merges.txt', 'video_preprocessor_config.json', 'chat_template.json'],
] as const;

/** Files by their names whose fields are added to the checkpoint's own. */
type MadeFiles = Readonly<Record<string, Json>>;

/**
 * The files that a family makes, before any weight is written: a model that could not be asked is refused.
 * @throws {FastvError} `unsupported-decoder` without a tokenizer.json, which is the only one that Transformers.js reads
 */
export async function madeFiles(files: CheckpointFiles, family: Family, config: Config): Promise<MadeFiles> {
  const made = (await family.files?.(config, files)) ?? {};
  if (files.names.includes('tokenizer.json') || made['tokenizer.json'] !== undefined) return made;
  const old = files.names.filter((name) =>
    /^(?:tokenizer\.model|vocab\.json|.*\.(?:spm|tiktoken))$/u.test(name),
  );
  throw new FastvError(
    'unsupported-decoder',
    `the checkpoint has no tokenizer.json${old.length === 0 ? '' : `, and none is made of ${old.join(', ')}`}`,
    {
      where: files.where,
      hint: "In Python, AutoTokenizer.from_pretrained(folder).save_pretrained(folder) writes it; or take the base model's.",
    },
  );
}

/** The files by name. config.json is the last: a folder without it is no model. */
export async function modelFiles(
  files: CheckpointFiles,
  family: Family,
  config: Config,
  parts: FamilyParts,
  built: readonly BuiltPart[],
  made: MadeFiles,
): Promise<[name: string, content: string][]> {
  const has = (name: string): boolean => files.names.includes(name);
  const json = async (name: string): Promise<Json> =>
    has(name) ? Parsed.parse(await files.text(name), `${files.where}/${name}`).fields : {};
  const content: [string, string][] = [];
  const add = (name: string, value: Json): void => {
    if (Object.keys(value).length > 0) content.push([name, `${JSON.stringify(value, null, 2)}\n`]);
  };
  const own = async (name: string): Promise<Json> => ({ ...(await json(name)), ...made[name] });
  for (const name of COPIED) {
    if (made[name] !== undefined) add(name, await own(name));
    else if (has(name)) content.push([name, await files.text(name)]);
  }
  const tokenizer = await own('tokenizer_config.json');
  const kept = await json('processor_config.json');
  // transformers 5 keeps the configurations of image and video processors inside
  const { image_processor: inside } = kept;
  const processor = Object.fromEntries(
    Object.entries(kept).filter(([name]) => name !== 'image_processor' && name !== 'video_processor'),
  );
  const template = await chatTemplate(files, [kept, tokenizer]);
  // Transformers.js reads some families' templates from a file of their own, and the others' from here alone
  if (template !== undefined) content.push(['chat_template.jinja', template]);
  add(
    'tokenizer_config.json',
    template === undefined ? tokenizer : { ...tokenizer, chat_template: template },
  );
  const file = await json('preprocessor_config.json');
  const preprocessor = Object.keys(file).length === 0 && isObject(inside) ? inside : file;
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
  const { image_processor_type: type } = own;
  // the same numbers by torchvision or by Pillow
  const plain = typeof type === 'string' ? { image_processor_type: type.replace(/(?:Fast|Pil)$/u, '') } : {};
  return { ...own, ...steps, ...plain };
}

/**
 * The chat template, wherever the checkpoint keeps it: the processor's goes before the tokenizer's, which may know no images.
 * Where there are several, the default one.
 */
async function chatTemplate(files: CheckpointFiles, others: readonly Json[]): Promise<string | undefined> {
  if (files.names.includes('chat_template.jinja')) return files.text('chat_template.jinja');
  const where = `${files.where}/chat_template.json`;
  const own = files.names.includes('chat_template.json')
    ? [Parsed.parse(await files.text('chat_template.json'), where).fields]
    : [];
  for (const { chat_template: kept } of [...own, ...others]) {
    const named: unknown = Array.isArray(kept)
      ? (kept as unknown[]).find((one) => isObject(one) && one['name'] === 'default')
      : kept;
    const template: unknown = isObject(named) ? named['template'] : named;
    if (typeof template === 'string') return template;
  }
  return undefined;
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
