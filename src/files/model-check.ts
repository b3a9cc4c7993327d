// What is looked at in a stranger's model folder before Transformers.js opens it. Transformers.js reads whatever has the
// right name to its end, and believes the numbers in it: a pipe in the place of config.json never answers, a device never
// ends, a billion layers are a billion tensors, and an image of 60,000 × 60,000 pixels is made of any picture. Where a
// number must be, a text or a fraction fails much later, somewhere inside.
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { checkModelHead } from './model-head.js';
import { modelRoots } from './model-roots.js';
import { liesIn, readRegularSync } from './read.js';

/** What a model's files may say. Tokenizers have some ten megabytes, models some hundred layers. */
const MOST = {
  jsonBytes: 2 ** 27,
  layers: 4096,
  /** The number of a token. */
  tokens: 2 ** 24,
  /** Values of a configuration: lists of tokens, names of classes. */
  configValues: 2 ** 17,
  /** Values of a tokenizer.json, and those with names: Gemma's, the largest, has 1.8 million, 320,000 with names. */
  values: 2 ** 22,
  names: 2 ** 20,
  /** From so many on they are told apart. */
  fewValues: 2 ** 19,
  /** Words, pairs that are joined, and tokens besides: Gemma has 262,000, 515,000 and 6,400. */
  vocabulary: 2 ** 19,
  merges: 2 ** 20,
  addedTokens: 2 ** 15,
  /** Pixels of an image's side, after its processor. */
  side: 8192,
  /** Pixels of an image, where a processor is told areas: Qwen-VL's call them edges. */
  area: 2 ** 26,
} as const;

const CONFIGS = [
  ...['config.json', 'generation_config.json'],
  ...['preprocessor_config.json', 'video_preprocessor_config.json', 'processor_config.json'],
] as const;
/** What is read as text. */
const TEXTS = /\.(?:json|jinja|txt|model)$/u;
const LINKS =
  'Links may lead to files in the same folder, or to where config.json leads, as in a cache of the hub.';
const AREAS = /qwen|glm/iu;

/**
 * Checks a model's folder.
 * @throws {FastvError} `io` for what is no file, `invalid-input` for a file that is too large or asks for too much,
 *   `malformed-model` for a large file that is no graph
 */
export function checkModelFolder(folder: string): void {
  const config = join(folder, 'config.json');
  const roots = existsSync(config) ? modelRoots(config) : [];
  for (const place of [folder, join(folder, 'onnx')]) {
    for (const name of namesIn(place)) {
      const path = join(place, name);
      const stats = statSync(path, { throwIfNoEntry: false });
      if (stats === undefined || stats.isDirectory()) continue;
      if (!stats.isFile()) {
        throw new FastvError('io', 'this is no file but a pipe, a socket or a device', {
          where: path,
          hint: 'A model has none: fetch it again.',
        });
      }
      // templates and tokenizers become part of what a model is asked, and of what is said of it
      if (roots.length > 0 && TEXTS.test(name) && !roots.some((root) => liesIn(realpathSync(path), root))) {
        throw new FastvError('io', `${path} is a link that leads outside`, { where: path, hint: LINKS });
      }
      if (name.endsWith('.json') && stats.size > MOST.jsonBytes) {
        throw tooMuch(path, `the file has ${stats.size} bytes, at most ${MOST.jsonBytes} are read`);
      }
      if (name.endsWith('.onnx')) checkModelHead(path);
    }
  }
  for (const name of CONFIGS) checkNumbers(join(folder, name));
  checkTokenizer(join(folder, 'tokenizer.json'));
}

/** Transformers.js makes objects of all that is in a tokenizer, which takes microseconds each. */
function checkTokenizer(path: string): void {
  const tokenizer = jsonOf(path, ({ values, names }) => {
    if (values <= MOST.fewValues) return false;
    if (values > MOST.values || names > MOST.names)
      throw tooMuch(path, `the tokenizer has ${values} values, ${names} of them with names`);
    return true;
  });
  const model = typed(tokenizer, 'model');
  for (const [part, most, what] of [
    [typed(model, 'vocab'), MOST.vocabulary, 'words'],
    [typed(model, 'merges'), MOST.merges, 'pairs to join'],
    [typed(tokenizer, 'added_tokens'), MOST.addedTokens, 'added tokens'],
  ] as const) {
    const count = typeof part === 'object' && part !== null ? Object.keys(part).length : 0;
    if (count > most) throw tooMuch(path, `the tokenizer has ${count} ${what}, at most ${most} are taken`);
  }
}

/**
 * What a file of JSON holds. Of one that is not there or no JSON, nothing: whoever loads it says so.
 * @param isWanted is told how much it is before it is parsed
 */
function jsonOf(path: string, isWanted: (counts: Counts) => boolean): unknown {
  let bytes: Uint8Array;
  try {
    bytes = readRegularSync(path, MOST.jsonBytes);
  } catch {
    return undefined;
  }
  if (!isWanted(counted(bytes))) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

interface Counts {
  readonly values: number;
  readonly names: number;
}

/** About how many values a text of JSON has, and how many of them have names. */
function counted(bytes: Uint8Array): Counts {
  let [values, names] = [0, 0];
  for (const byte of bytes) {
    if (byte === 0x2c || byte === 0x5b || byte === 0x7b) values++;
    else if (byte === 0x3a) names++;
  }
  return { values, names };
}

/** Looks at every number in a configuration, however deep, by its name. */
function checkNumbers(path: string): void {
  const config = jsonOf(path, ({ values }) => {
    if (values > MOST.configValues) throw tooMuch(path, `the file has ${values} values`);
    return true;
  });
  const named = ['image_processor_type', 'video_processor_type', 'model_type'];
  const areas = named.some((name) => AREAS.test(String(typed(config, name))));
  const open: unknown[] = [config];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) {
      if (typeof item === 'object' && item !== null) open.push(item);
      else checkValue(path, key, item, areas);
    }
  }
}

function checkValue(path: string, key: string, value: unknown, areas: boolean): void {
  if (value === null) return;
  if (typeof value === 'number' && !Number.isFinite(value)) throw tooMuch(path, `${key} is no finite number`);
  const kind = KINDS.find(([pattern]) => pattern.test(key));
  if (kind !== undefined) {
    const [, least, what] = kind;
    if (!(typeof value === 'number' && Number.isSafeInteger(value) && value >= least)) {
      throw tooMuch(path, `${key} is ${JSON.stringify(value).slice(0, 100)}, which is no ${what}`);
    }
  }
  const most = mostOf(key, areas);
  if (typeof value === 'number' && most !== undefined && value > most)
    throw tooMuch(path, `${key} is ${value}, at most ${most} is taken`);
}

/** Fields that hold whole numbers, if they are no lists, records or null: by name, the least there may be, and what they are. */
const KINDS: readonly (readonly [name: RegExp, least: number, what: string])[] = [
  [/^(?:image|video|vision\w*|media)_token_(?:id|index)$/u, 0, "token's number"],
  // -1 is what LLaMA's first configurations have for none
  [/_token_(?:id|index)$/u, -1, "token's number"],
  [/^(?:num|n)_(?:\w+_)?(?:layers?|heads|head|blocks|channels)$/u, 0, 'number of them'],
  [/^(?:\w+_)?(?:hidden_size|intermediate_size|vocab_size|patch_size|merge_size|head_dim)$/u, 0, 'size'],
  [/^(?:height|width|longest_edge|shortest_edge|crop_size|image_size)$/u, 1, 'number of pixels'],
  // -1 is what some have for all
  [/^(?:max_new_tokens|max_length|top_k|num_beams|image_seq_len(?:gth)?)$/u, -1, 'number of tokens'],
];

function mostOf(key: string, areas: boolean): number | undefined {
  if (/layers?$/u.test(key)) return MOST.layers;
  if (/_token_(?:id|index)$/u.test(key)) return MOST.tokens;
  if (/(?:shortest|longest)_edge$/u.test(key)) return areas ? MOST.area : MOST.side;
  if (/(?:min|max)_pixels$/u.test(key)) return MOST.area;
  return /^(?:height|width|size|image_size|crop_size|max_image_size|pad_size)$/u.test(key)
    ? MOST.side
    : undefined;
}

function typed(config: unknown, key: string): unknown {
  return typeof config === 'object' && config !== null && Object.hasOwn(config, key)
    ? (config as Record<string, unknown>)[key]
    : undefined;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // none, or none that can be read: whoever loads it says so
  }
}

function tooMuch(where: string, message: string): FastvError {
  return new FastvError('invalid-input', message, { where, hint: 'Check where the model comes from.' });
}
