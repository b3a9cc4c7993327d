// The package as others get it: what it depends on is declared, what is not used is left out of a bundle, and a bundle
// that has no places of modules still finds ONNX Runtime.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build, type BuildOptions } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { BROUGHT_BY } from '../src/cli/missing-package.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly files: readonly string[];
};

/** A bundle of a few lines that stand in the package's root. */
async function bundled(contents: string, options: BuildOptions = {}): Promise<string> {
  const { outputFiles = [] } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    write: false,
    logLevel: 'silent',
    ...options,
  });
  return outputFiles[0]?.text ?? expect.fail('no bundle');
}

describe('the package', () => {
  it('declares every package that its code imports', async () => {
    const names = new Set<string>();
    const sources = await readdir(join(root, 'src'), { recursive: true });
    for (const path of sources.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))) {
      const text = await readFile(join(root, 'src', path), 'utf8');
      for (const [, specifier = ''] of text.matchAll(
        /^(?:import|export)[^'"`;]*?from '([^'.][^']*)'|\bimport\('([^'.][^']*)'\)/gmu,
      )) {
        names.add(/^(@[^/]+\/)?[^/]+/u.exec(specifier)?.[0] ?? specifier);
      }
    }
    const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
    const missing = [...names].filter(
      (name) =>
        name !== '' && !name.startsWith('node:') && !builtinModules.includes(name) && !(name in declared),
    );
    expect(names.size).toBeGreaterThan(5);
    expect(missing).toEqual([]);
  });

  it('leaves Transformers.js and ONNX Runtime to the app, so that there is one copy', () => {
    expect(
      Object.keys(manifest.dependencies).filter((name) => /huggingface|onnxruntime/u.test(name)),
    ).toEqual([]);
    expect(manifest.peerDependencies).toHaveProperty('@huggingface/transformers');
    const optional = [
      ...['onnxruntime-node', 'onnxruntime-web', '@ai-sdk/provider', 'fastv-scenes', 'better-sqlite3'],
      ...BROUGHT_BY.keys(),
    ];
    expect(manifest.peerDependenciesMeta).toEqual(
      Object.fromEntries(optional.map((name) => [name, { optional: true }])),
    );
    expect(Object.keys(manifest.peerDependencies).sort()).toEqual(
      ['@huggingface/transformers', ...optional].sort(),
    );
  });

  it('brings its documentation', () => {
    expect(manifest.files).toContain('docs');
  });

  it.each([
    ["import { FastvError } from './src/index.ts'; console.log(FastvError)", 2000],
    ["import { FastvError } from './src/browser.ts'; console.log(FastvError)", 2000],
    ["import { flops } from './src/cost/index.ts'; console.log(flops)", 200],
  ])('costs what is used of it: %s', async (contents, most) => {
    const { length } = await bundled(contents);
    expect(length).toBeGreaterThan(30);
    expect(length).toBeLessThan(most);
  });

  it('adds little to a page before it loads a model, the rewrite then, and the rest where it is asked for', async () => {
    const { outputFiles, metafile } = await build({
      stdin: {
        contents: "export * from './src/browser.ts'",
        resolveDir: root,
        loader: 'ts',
        sourcefile: 'app.ts',
      },
      ...{
        bundle: true,
        minify: true,
        format: 'esm',
        platform: 'browser',
        target: 'es2022',
        splitting: true,
      },
      ...{ external: ['@huggingface/transformers', 'onnxruntime-web/*'], logLevel: 'silent' },
      ...{ write: false, metafile: true, outdir: join(root, 'page'), absWorkingDir: root },
    } as const);
    const gzipped = new Map(
      outputFiles.map(({ path, contents }) => [
        relative(root, path).replaceAll('\\', '/'),
        gzipSync(contents).length,
      ]),
    );
    /** What the browser fetches when it is given an entry, by what that imports. */
    const fetched = (entry: string): ReadonlySet<string> => {
      const all = new Set(
        Object.keys(metafile.outputs).filter((path) => metafile.outputs[path]?.entryPoint === entry),
      );
      for (const path of all) {
        for (const { path: imported, kind } of metafile.outputs[path]?.imports ?? []) {
          if (kind === 'import-statement' && gzipped.has(imported)) all.add(imported);
        }
      }
      return all;
    };
    const total = (paths: Iterable<string>): number =>
      [...paths].reduce((sum, path) => sum + (gzipped.get(path) ?? NaN), 0);
    const atOnce = fetched('app.ts');
    expect(total(atOnce)).toBeGreaterThan(100);
    expect(total(atOnce)).toBeLessThan(5_000);
    // a model, pruned by the paper's strategy
    const withModel = new Set([...atOnce, ...fetched('src/runtime/browser-platform.ts')]);
    expect(total(withModel)).toBeGreaterThan(20_000);
    expect(total(withModel)).toBeLessThan(60_000);
    // on WebGPU it is looked at whether the weights are in a slow format
    const onWebGpu = new Set([...withModel, ...fetched('src/runtime/slow-weights.ts')]);
    expect(total(onWebGpu)).toBeGreaterThan(total(withModel));
    expect(total(onWebGpu)).toBeLessThan(60_000);
    // what only some options and models need
    const others = [
      ...['strategies/list', 'quantize/unsigned', 'runtime/llava-models', 'runtime/auto-ratio'],
      'runtime/session-error',
    ];
    for (const name of others) {
      const own = fetched(`src/${name}.ts`);
      expect(own.size, name).toBeGreaterThan(0);
      expect(total([...own].filter((path) => !withModel.has(path))), name).toBeLessThan(8_000);
    }
  });

  it('finds ONNX Runtime in a CommonJS bundle, which has no import.meta.url', async () => {
    const contents = `import { nodeSessionClass } from './src/runtime/node-session.ts';
      void nodeSessionClass().then((Session) => console.log(typeof Session.create), (error) => console.log(error.code, error.hint));`;
    const folder = await mkdtemp(join(root, '.cache-bundle-'));
    try {
      const outfile = join(folder, 'bundle.cjs');
      await bundled(contents, { format: 'cjs', write: true, outfile }).catch(() => undefined);
      const { stdout } = await promisify(execFile)(process.execPath, [outfile], { cwd: root });
      expect(stdout.trim()).toBe('function');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
