/**
 * The model that is meant where no `--model` is given: `FASTV_MODEL`, else `"model"` in the configuration file
 * (`$XDG_CONFIG_HOME/fastv/config.json`, `~/.config/fastv/config.json`, `%APPDATA%\fastv\config.json`), else the bundled
 * one.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { fileCode, fileError } from '../files/file-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the configuration file is. */
export function configFile(env: Environment = process.env, platform: string = process.platform): string {
  const roaming = env['APPDATA'] ?? '';
  if (platform === 'win32' && roaming !== '') return join(roaming, 'fastv', 'config.json');
  const xdg = env['XDG_CONFIG_HOME'] ?? '';
  return join(xdg.startsWith('/') ? xdg : join(homedir(), '.config'), 'fastv', 'config.json');
}

/**
 * The model of the environment or of the configuration file.
 * @throws {FastvError} `invalid-option` naming the file if it is there and says nothing that can be used
 */
export function defaultModel(env: Environment = process.env): string | undefined {
  const named = env['FASTV_MODEL']?.trim() ?? '';
  if (named !== '') return named;
  const file = configFile(env);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (fileCode(error) === 'ENOENT' || fileCode(error) === 'ENOTDIR') return undefined;
    throw fileError('read', file, error);
  }
  const refuse = (message: string, cause?: unknown): FastvError =>
    new FastvError('invalid-option', message, { where: file, hint: 'write {"model": "NAME"}', cause });
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw refuse('the configuration file is no JSON', cause);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw refuse('the configuration file is no object');
  }
  const unknown = Object.keys(config).find((key) => key !== 'model');
  if (unknown !== undefined) throw refuse(`the configuration file has an unknown key "${unknown}"`);
  const { model } = config as { readonly model?: unknown };
  if (model === undefined) return undefined;
  if (typeof model !== 'string' || model.trim() === '') throw refuse('"model" is no name of a model');
  return model.trim();
}
