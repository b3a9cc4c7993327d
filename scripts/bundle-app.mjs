// Bundles an app that has fastv installed from its packed files, with webpack and with Next.js, as an app's developer would:
// no polyfill, no setting but those that the documentation names, and not one warning.
// node scripts/bundle-app.mjs FOLDER, where FOLDER has fastv, @huggingface/transformers, webpack, next, react and react-dom.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: node scripts/bundle-app.mjs FOLDER');
const app = resolve(folder);
const root = fileURLToPath(new URL('../', import.meta.url));

/** The README's three lines, in a page. */
const LINES = [
  "import { AutoModelForImageTextToText } from '@huggingface/transformers';",
  "import { fastv } from 'fastv';",
  "export const load = () => fastv(AutoModelForImageTextToText, 'HuggingFaceTB/SmolVLM-256M-Instruct', { layer: 2, ratio: 0.5 });",
].join('\n');

/** @param {string} path @param {string} text */
async function put(path, text) {
  await mkdir(join(app, path, '..'), { recursive: true });
  await writeFile(join(app, path), text);
}

/** What a bundler left behind, all of it in one text. @param {string} path */
async function written(path) {
  const names = await readdir(join(app, path), { recursive: true });
  const files = names.filter((name) => /\.m?js$/u.test(name));
  return (await Promise.all(files.map((name) => readFile(join(app, path, name), 'utf8')))).join('\n');
}

async function webpackBuilds() {
  await put('src/page.mjs', `${LINES}\nglobalThis.load = load;\n`);
  const webpack = createRequire(join(app, 'package.json'))('webpack');
  const stats = await promisify(webpack)({
    ...{ mode: 'production', target: 'web', context: app, entry: './src/page.mjs' },
    output: { path: join(app, 'webpack'), filename: 'page.js' },
    // Transformers.js has 500 kB by itself
    performance: { hints: false },
  });
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  assert(
    errors.length + warnings.length === 0,
    [...errors, ...warnings].map(({ message, moduleName }) => `${moduleName ?? ''}: ${message}`).join('\n\n'),
  );
  assert((await written('webpack')).includes('fastv.session-swap'), 'webpack: the plug is in no chunk');
}

async function nextBuilds() {
  const manifest = JSON.parse(await readFile(join(app, 'package.json'), 'utf8'));
  await put('package.json', JSON.stringify({ ...manifest, type: 'module' }, null, 2));
  await put(
    'app/layout.js',
    'export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html>; }\n',
  );
  await put(
    'app/page.js',
    "'use client';\nimport { load } from '../src/lines.mjs';\nexport default function Page() { return <button onClick={() => void load()}>Load</button>; }\n",
  );
  await put('src/lines.mjs', LINES);
  await put(
    'next.config.mjs',
    // the root, so that a lock file in a folder above is not taken for the app's
    "export default { serverExternalPackages: ['fastv', '@huggingface/transformers', 'onnxruntime-node'], turbopack: { root: import.meta.dirname } };\n",
  );
  await cp(join(root, 'examples/next/app'), join(app, 'app'), { recursive: true });
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [join(app, 'node_modules/next/dist/bin/next'), 'build'],
    { cwd: app, maxBuffer: 2 ** 26, env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', CI: '' } },
  ).catch((error) => {
    throw new Error(`next build: ${error.stdout}\n${error.stderr}`);
  });
  const said = `${stdout}\n${stderr}`;
  assert(!/warn|⚠/iu.test(said), said);
  assert(/\/vision\/\[\.\.\.path\]/u.test(said), `the route is not there:\n${said}`);
  assert((await written('.next/static')).includes('fastv.session-swap'), 'Next.js: the plug is in no chunk');
}

await webpackBuilds();
console.log('webpack: no error, no warning');
await nextBuilds();
console.log('Next.js: no error, no warning');
