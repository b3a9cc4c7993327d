// The image, as far as it can be looked at without Docker: what its build runs is there by then, and nobody runs it as root.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const [, build = '', image = ''] = read('Dockerfile').split(/^FROM .*$/mu);
const copied = [...build.matchAll(/^COPY (.+) \S+$/gmu)].flatMap(([, names = '']) => names.split(' '));

it('has what its build runs', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const run = scripts['build']?.match(/\S+\.(?:json|mjs)/gu) ?? [];
  const { extends: base } = JSON.parse(read('tsconfig.build.json')) as { extends: string };
  const needed = [...run, base.replace('./', ''), 'package-lock.json', 'src/index.ts'];
  expect(run.length).toBeGreaterThan(0);
  expect(
    needed.filter((file) => !copied.some((name) => name === file || file.startsWith(`${name}/`))),
  ).toEqual([]);
  const left = read('.dockerignore').split('\n');
  expect(copied.filter((name) => left.includes(name))).toEqual([]);
});

it('serves as nobody in particular, and tells its health', () => {
  expect(image).toMatch(/^USER node$/mu);
  expect(image).toMatch(/^HEALTHCHECK .*\/health/mu);
  expect(image).toMatch(/^ENTRYPOINT \["node", "bin\/fastv\.js", "serve"\]$/mu);
});
