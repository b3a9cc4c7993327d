import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { configFile, defaultModel } from './default-model.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-config-'));
  mkdirSync(join(folder, 'fastv'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const configured = (text: string, env: Record<string, string> = {}): string | undefined => {
  writeFileSync(join(folder, 'fastv', 'config.json'), text);
  return defaultModel({ XDG_CONFIG_HOME: folder, ...env });
};

it('is the one of FASTV_MODEL, else of the configuration file, else none', () => {
  expect(defaultModel({ XDG_CONFIG_HOME: folder })).toBeUndefined();
  expect(configured('{"model": "me/mine"}')).toBe('me/mine');
  expect(configured('{"model": "me/mine"}', { FASTV_MODEL: 'me/other' })).toBe('me/other');
  expect(configured('{}')).toBeUndefined();
});

it.each(['', 'model: x', '[]', 'null', '{"model": 3}', '{"model": " "}', '{"modle": "x"}'])(
  'refuses %j, naming the file',
  (text) => {
    expect(() => configured(text)).toThrow(
      expect.objectContaining({ code: 'invalid-option', where: join(folder, 'fastv', 'config.json') }),
    );
  },
);

it('lies where the system has such files', () => {
  expect(configFile({ XDG_CONFIG_HOME: '/x' }, 'linux')).toBe('/x/fastv/config.json');
  expect(configFile({ XDG_CONFIG_HOME: 'relative' }, 'linux')).toMatch(/\.config\/fastv\/config\.json$/u);
  expect(configFile({ APPDATA: '/roaming' }, 'win32')).toBe('/roaming/fastv/config.json');
});
