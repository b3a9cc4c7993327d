import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { siteFilesPlugin } from './plugins/site-files.js';

// memory that threads share needs a page that is isolated from others
const isolated = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  // any folder of any host
  base: './',
  plugins: [siteFilesPlugin()],
  server: { headers: isolated },
  preview: { headers: isolated },
  worker: { format: 'es' },
  build: {
    outDir: fileURLToPath(new URL('../dist-web', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // ONNX Runtime brings its WebAssembly as a file of its own, which siteFilesPlugin copies
    assetsInlineLimit: 0,
  },
});
