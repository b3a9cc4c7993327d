// Bundles the browser build: one file without Node. ONNX Runtime Web stays an import, because it must be the copy that
// Transformers.js runs.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = new URL('../', import.meta.url);

await build({
  entryPoints: [fileURLToPath(new URL('src/browser.ts', root))],
  outfile: fileURLToPath(new URL('dist/fastv.browser.js', root)),
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  sourcemap: true,
  external: ['onnxruntime-web/*'],
  logLevel: 'info',
});
