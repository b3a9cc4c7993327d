// What is looked at in a stranger's model folder before Transformers.js opens it. Transformers.js reads whatever has the
// right name to its end, and believes the numbers in it: a pipe in the place of config.json never answers, a device never
// ends, a billion layers are a billion tensors, and an image of 60,000 × 60,000 pixels is made of any picture.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { readRegularSync } from './read.js';

/** What a model's files may say. Tokenizers have some ten megabytes, models some hundred layers. */
const MOST = {
  jsonBytes: 2 ** 27,
  layers: 4096,
  /** Pixels of an image's side, after its processor. */
  side: 8192,
  /** Pixels of an image, where a processor is told areas: Qwen-VL's call them edges. */
  area: 2 ** 26,
} as const;

const CONFIGS = ['config.json', 'preprocessor_config.json', 'processor_config.json'] as const;
const AREAS = /qwen|glm/iu;

/**
 * Checks a model's folder.
 * @throws {FastvError} `io` for what is no file, `invalid-input` for a file that is too large or asks for too much
 */
export function checkModelFolder(folder: string): void {
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
      if (name.endsWith('.json') && stats.size > MOST.jsonBytes) {
        throw tooMuch(path, `the file has ${stats.size} bytes, at most ${MOST.jsonBytes} are read`);
      }
    }
  }
  for (const name of CONFIGS) checkNumbers(join(folder, name));
}

/** Looks at every number in a configuration, however deep, by its name. */
function checkNumbers(path: string): void {
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder().decode(readRegularSync(path, MOST.jsonBytes)));
  } catch {
    return; // not there, or no JSON: whoever loads it says so
  }
  const areas = AREAS.test(String(typed(config, 'image_processor_type') ?? typed(config, 'model_type')));
  const open: unknown[] = [config];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, item] of Object.entries(value)) {
      if (typeof item === 'object' && item !== null) open.push(item);
      const most = mostOf(key, areas);
      if (typeof item === 'number' && most !== undefined && item > most) {
        throw tooMuch(path, `${key} is ${item}, at most ${most} is taken`);
      }
    }
  }
}

function mostOf(key: string, areas: boolean): number | undefined {
  if (/layers?$/u.test(key)) return MOST.layers;
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
