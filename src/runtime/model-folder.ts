// Which Transformers.js model a decoder file belongs to.
import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { DTYPE_SUFFIXES } from '../dtypes.js';
import { readRegularSync } from '../files/read.js';
import { isRecord } from './transformers.js';

/** The model around a decoder file. */
export interface ModelFolder {
  /** The folder with its config.json. */
  readonly folder: string;
  /** Where its ONNX files are, relative to the folder; empty for the folder itself. */
  readonly subfolder: string;
  /** The dtype that Transformers.js calls the decoder by; undefined if its name is none of Transformers.js's. */
  readonly dtype: string | undefined;
}

const DTYPES: ReadonlyMap<string, string> = new Map(
  Object.entries(DTYPE_SUFFIXES).map(([dtype, suffix]) => [suffix, dtype]),
);

/** The model whose config.json lies beside the decoder or one folder up; undefined if there is none. */
export function modelFolderOf(decoder: string): ModelFolder | undefined {
  const own = dirname(resolve(decoder));
  const folder = [own, dirname(own)].find((path) => existsSync(join(path, 'config.json')));
  if (folder === undefined) return undefined;
  const suffix = /^decoder_model_merged(.*)\.onnx$/u.exec(basename(decoder))?.[1];
  return {
    folder,
    // the decoder may be a stray one: the model's own files are where they always are
    subfolder: existsSync(join(folder, 'onnx')) ? 'onnx' : relative(folder, own),
    dtype: suffix === undefined ? undefined : DTYPES.get(suffix),
  };
}

/** The longest config.json that is looked into. */
const MAX_CONFIG = 16 * 2 ** 20;

/**
 * The dtype to load a model in where nobody says: `auto` if the folder's config.json says which its parts have, as
 * `fastv build` writes it, else `fp32`.
 */
export function defaultDtype(model: string | undefined): 'auto' | 'fp32' {
  const path = model === undefined ? undefined : join(model, 'config.json');
  if (path === undefined || !existsSync(path)) return 'fp32';
  try {
    const config: unknown = JSON.parse(new TextDecoder().decode(readRegularSync(path, MAX_CONFIG)));
    const own = isRecord(config) ? config['transformers.js_config'] : undefined;
    return isRecord(own) && own['dtype'] !== undefined ? 'auto' : 'fp32';
  } catch {
    return 'fp32'; // whoever loads it says what is wrong with it
  }
}
