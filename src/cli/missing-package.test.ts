import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { failureOf } from './failure.js';
import { BROUGHT_BY } from './missing-package.js';

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}
const manifest = (path: string): Manifest => JSON.parse(readFileSync(path, 'utf8')) as Manifest;

/** A name that no bundler resolves. */
const NOWHERE = 'no-such-package-at-all';

it('says which package brings what is missing', async () => {
  const error: unknown = await import(NOWHERE).catch((cause: unknown) => cause);
  expect(failureOf(error).code).toBe('internal');
  const missing = Object.assign(new Error(`Cannot find package '@observablehq/plot' imported from /x.js`), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
  expect(failureOf(missing)).toMatchObject({
    code: 'io',
    message: 'this needs the package "@observablehq/plot", which is not installed',
    hint: 'npm i fastv-lab brings all that it needs.',
  });
});

it('agrees with the manifests', () => {
  const own = manifest('package.json');
  for (const [name, brought] of BROUGHT_BY) {
    const { version, dependencies } = manifest(`packages/${brought}/package.json`);
    expect(version).toBe(own.version);
    expect([name, dependencies?.[name]]).toEqual([name, own.devDependencies?.[name]]);
    expect([name, own.peerDependencies?.[name]]).toEqual([name, own.devDependencies?.[name]]);
    expect([name, own.peerDependenciesMeta?.[name]?.optional]).toEqual([name, true]);
    expect(own.dependencies?.[name]).toBeUndefined();
  }
  for (const brought of new Set(BROUGHT_BY.values())) {
    const names = Object.keys(manifest(`packages/${brought}/package.json`).dependencies ?? {});
    expect(names.filter((name) => !BROUGHT_BY.has(name))).toEqual([]);
  }
});
