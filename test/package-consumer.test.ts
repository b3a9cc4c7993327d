// The package as an app gets it, compiled and packed: its exports are there, its types hold however an app resolves
// modules, and a bundler of the browser's takes the browser's build.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build as esbuild } from 'esbuild';
import ts from 'typescript';
import { build as vite } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly exports: Readonly<Record<string, object>>;
}

/** Every path of a package's exports, whatever its conditions. */
function targets(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(targets) : [];
}

let app = '';
let packed: string[] = [];
let manifest: Manifest;
beforeAll(async () => {
  // below node_modules, so that what the package depends on is found
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  app = await mkdtemp(join(cache, 'fastv-app-'));
  const fastv = join(app, 'node_modules', 'fastv');
  await mkdir(fastv, { recursive: true });
  // a package of its own: within this one, `fastv` would be this one
  await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', type: 'module' }));
  for (const name of ['package.json', 'bin', 'docs'])
    await cp(join(root, name), join(fastv, name), { recursive: true });
  const { config } = ts.readConfigFile(join(root, 'tsconfig.build.json'), (path) =>
    ts.sys.readFile(path),
  ) as {
    config: unknown;
  };
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  ts.createProgram(fileNames, { ...options, outDir: join(fastv, 'dist'), sourceMap: false }).emit();
  await promisify(execFile)(process.execPath, [join(root, 'scripts/prune-declarations.mjs'), fastv]);
  manifest = JSON.parse(await readFile(join(fastv, 'package.json'), 'utf8')) as Manifest;
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: fastv,
    maxBuffer: 2 ** 26,
  });
  // npm 11 answers with a list, npm 12 with an object by names
  const answer = Object.values(JSON.parse(stdout) as Record<string, { readonly files: { path: string }[] }>);
  packed = answer.flatMap(({ files }) => files.map(({ path }) => path));
}, 600_000);
afterAll(() => rm(app, { recursive: true, force: true }));

describe('the package', { timeout: 480_000 }, () => {
  it('holds everything that it exports', () => {
    const paths = targets(manifest.exports).map((path) => path.replace(/^\.\//u, ''));
    expect(paths.length).toBeGreaterThan(10);
    expect(paths.filter((path) => !packed.includes(path))).toEqual([]);
    expect(packed).toEqual(
      expect.arrayContaining(['bin/fastv.js', 'dist/cli/process.js', 'docs/library.md']),
    );
    expect(packed.filter((path) => /\.test\.|^src\//u.test(path))).toEqual([]);
    // declarations that no export leads to are left out
    expect(packed).toContain('dist/rewrite/rewrite.d.ts');
    expect(packed).not.toContain('dist/cli/process.d.ts');
  });

  it.each([
    ['node16', ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
    ['nodenext', ts.ModuleKind.NodeNext, ts.ModuleResolutionKind.NodeNext],
    ['bundler', ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
  ])('has types that hold under %s, with skipLibCheck off', async (name, module, moduleResolution) => {
    const file = join(app, `use-${name}.mts`);
    const entries = Object.keys(manifest.exports).map((path) => path.replace(/^\./u, 'fastv'));
    await writeFile(
      file,
      [
        ...entries.map((entry, i) => `export * as entry${i} from '${entry}';`),
        "import { AutoModelForImageTextToText } from '@huggingface/transformers';",
        "import { fastv, FastvError } from 'fastv';",
        'export async function use(): Promise<boolean> {',
        "  const model = await fastv(AutoModelForImageTextToText, 'name', { layer: 2, ratio: 0.5, dtype: 'q4' });",
        '  await model.generate({ fastv: { ratio: 0.75 } });',
        '  // @ts-expect-error ration is no option',
        "  await fastv(AutoModelForImageTextToText, 'name', { ration: 0.5 });",
        '  return model.fastv.active && new FastvError("io", "x") instanceof Error;',
        '}',
      ].join('\n'),
    );
    const program = ts.createProgram([file, ...(await commonJs(name))], {
      ...{ module, moduleResolution, strict: true, noEmit: true, skipLibCheck: false },
      ...{
        target: ts.ScriptTarget.ES2022,
        lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
      },
      ...{ exactOptionalPropertyTypes: true, types: ['node'] },
    });
    // others' types have errors of their own
    const ours = ts
      .getPreEmitDiagnostics(program)
      .filter((one) => one.file === undefined || one.file.fileName.startsWith(app.replaceAll('\\', '/')))
      .map(
        ({ file: where, messageText }) =>
          `${where?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
      );
    expect(ours).toEqual([]);
    expect(program.getSourceFiles().some(({ fileName }) => fileName.endsWith('fastv/dist/index.d.ts'))).toBe(
      true,
    );
  });

  /** A CommonJS file that loads a model: by the dynamic import of Node 20, and by the `require` of Node 22. */
  async function commonJs(name: string): Promise<string[]> {
    const line = {
      node16: "export const plug = async () => (await import('fastv')).fastv;",
      nodenext: "import fastv = require('fastv');\nexport const plug = async () => fastv.fastv;",
    }[name];
    if (line === undefined) return [];
    const file = join(app, `use-${name}.cts`);
    const use =
      "export const active = async (): Promise<boolean> => (await (await plug())({ from_pretrained: async () => ({ generate: async () => 1 }) }, 'name', { ratio: 0.5 })).fastv.active;";
    await writeFile(file, `${line}\n${use}\n`);
    return [file];
  }

  it('is imported by CommonJS, and required where Node requires modules', async () => {
    const script = join(app, 'use.cjs');
    await writeFile(
      script,
      `import('fastv').then(({ fastv, FastvError }) => {
        console.log(typeof fastv, new FastvError('io', 'x') instanceof Error);
        console.log(process.features.require_module !== true || require('fastv').fastv === fastv);
      });`,
    );
    const { stdout } = await promisify(execFile)(process.execPath, [script], { cwd: app });
    expect(stdout).toBe('function true\ntrue\n');
  });

  it('says that there are two copies of ONNX Runtime, whatever of it is imported', async () => {
    // the copy within fastv's reach: Node loads no second one beside the app's
    const own = join(app, 'node_modules/fastv/node_modules');
    const transformers = join(own, '@huggingface/transformers');
    await mkdir(transformers, { recursive: true });
    await mkdir(join(own, 'onnxruntime-node'));
    const second =
      "throw Object.assign(new Error('Module did not self-register'), { code: 'ERR_DLOPEN_FAILED' });";
    await writeFile(join(own, 'onnxruntime-node/index.js'), second);
    await writeFile(join(transformers, 'package.json'), '{ "type": "module", "main": "index.js" }');
    const real = import.meta.resolve('@huggingface/transformers');
    await writeFile(join(transformers, 'index.js'), `import 'onnxruntime-node';\nexport * from '${real}';\n`);
    try {
      const entries = ['fastv/model', 'fastv/conversation', 'fastv/ai-sdk', 'fastv/server'];
      const script = `for (const entry of ${JSON.stringify(entries)}) await import(entry).catch(({ code, hint }) => console.log(code, hint));`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
        cwd: app,
      });
      const said = stdout
        .split('\n')
        .filter((line) => line.startsWith('io Two copies of ONNX Runtime do not go together'));
      expect(said, stdout).toHaveLength(entries.length);
    } finally {
      await rm(own, { recursive: true });
    }
  });

  const PAGE = "import { fastv } from 'fastv';\nconsole.log(fastv);\n";

  it('is bundled for a browser by esbuild, without anything of Node', async () => {
    const { metafile, outputFiles } = await esbuild({
      ...{ stdin: { contents: PAGE, resolveDir: app }, bundle: true, platform: 'browser', format: 'esm' },
      ...{ external: ['onnxruntime-web/*'], write: false, metafile: true, logLevel: 'silent' },
    });
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.some((path) => path.endsWith('fastv/dist/browser.js'))).toBe(true);
    expect(inputs.some((path) => path.endsWith('fastv/dist/index.js'))).toBe(false);
    expect(outputFiles[0]?.text).not.toMatch(/["']node:/u);
  });

  it('is bundled for a browser by Vite', async () => {
    const entry = join(app, 'page.js');
    await writeFile(entry, PAGE);
    const output = await vite({
      ...{ root: app, configFile: false, logLevel: 'silent' },
      build: { write: false, rolldownOptions: { input: entry, external: [/^onnxruntime-web/u] } },
    });
    const modules = [output]
      .flat()
      .flatMap((one) =>
        'output' in one ? one.output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : [])) : [],
      );
    expect(modules.some((path) => path.endsWith('fastv/dist/runtime/browser.js'))).toBe(true);
    expect(modules.some((path) => path.endsWith('fastv/dist/runtime/node.js'))).toBe(false);
    expect(modules.filter((path) => path.includes('node:'))).toEqual([]);
  });
});
