// What the page needs besides its code: the bundled model, ONNX Runtime's WebAssembly, and pictures. They are served
// from where they lie while developing, and copied into the built folder.
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import type { Plugin } from 'vite';
import { loadAtlas } from '../../src/scenes/atlas.js';
import { makeItem } from '../../src/scenes/dataset.js';
import type { ImageFamily } from '../../src/scenes/question.js';
import { renderScene } from '../../src/scenes/render.js';
import { IMAGE_SIZE, type Scene } from '../../src/scenes/scene.js';
import { ask } from '../../src/scenes/ask.js';
import { Random } from '../../src/scenes/random.js';
import type { BundledPicture } from '../src/pictures.js';

const MODEL = fileURLToPath(new URL('../../models/scenes-llava/', import.meta.url));
const MODEL_FILES = [
  'config.json',
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  ...['', '_quantized'].flatMap((suffix) =>
    ['decoder_model_merged', 'embed_tokens', 'vision_encoder'].map((part) => `onnx/${part}${suffix}.onnx`),
  ),
];
const RUNTIME_FILES = ['ort-wasm-simd-threaded.asyncify.mjs', 'ort-wasm-simd-threaded.asyncify.wasm'];

/** Scenes that show what the model can do: their families and their places in the test split. */
const SCENES: readonly (readonly [ImageFamily, number])[] = [
  ['existence', 0],
  ['position', 1],
  ['color', 2],
  ['text', 0],
  ['count-class', 3],
  ['relation', 1],
  ['size', 2],
  ['category', 5],
];
const ASKED: readonly ImageFamily[] = ['position', 'category', 'color', 'count-all', 'text', 'relation'];

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.mjs', 'text/javascript'],
  ['.wasm', 'application/wasm'],
  ['.json', 'application/json'],
  ['.png', 'image/png'],
]);

/** Everything that lies under the page, by its address: a file, or bytes. */
async function siteFiles(): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const transformers = createRequire(import.meta.url).resolve('@huggingface/transformers');
  const runtime = dirname(createRequire(transformers).resolve('onnxruntime-web'));
  return new Map<string, string | Uint8Array>([
    ...MODEL_FILES.map((file) => [`models/scenes-llava/${file}`, join(MODEL, file)] as const),
    ...RUNTIME_FILES.map((file) => [`ort/${file}`, join(runtime, file)] as const),
    ...(await pictures()),
  ]);
}

async function pictures(): Promise<(readonly [string, Uint8Array])[]> {
  const atlas = loadAtlas();
  const files: (readonly [string, Uint8Array])[] = [];
  const index: BundledPicture[] = [];
  for (const [family, at] of SCENES) {
    const item = makeItem('test', family, at, atlas);
    const [scene] = item.scenes;
    if (scene === undefined) throw new Error(`${item.id} has no scene`);
    const name = `${family}-${at}`;
    const raw = { width: IMAGE_SIZE, height: IMAGE_SIZE, channels: 3 as const };
    const png = await sharp(renderScene(scene, atlas), { raw }).png({ compressionLevel: 9 }).toBuffer();
    files.push([`pictures/${name}.png`, png]);
    const random = new Random(0, at, SCENES.length);
    const others = ASKED.filter((other) => other !== family).flatMap((other) => {
      const asked = ask(other, scene, atlas.classes, random);
      return asked === null ? [] : [{ text: asked.question, answer: asked.answer }];
    });
    const questions = [{ text: item.question, answer: item.answer }, ...others].slice(0, 4);
    index.push({ name, alt: describe(scene), file: `${name}.png`, questions });
  }
  files.push(['pictures/index.json', new TextEncoder().encode(JSON.stringify(index))]);
  return files;
}

function describe({ objects }: Scene): string {
  return `a synthetic scene: ${objects.map((object) => object.class).join(', ')}`;
}

/** The plugin. */
export function siteFilesPlugin(): Plugin {
  let files: Promise<ReadonlyMap<string, string | Uint8Array>> | undefined;
  const all = (): Promise<ReadonlyMap<string, string | Uint8Array>> => (files ??= siteFiles());
  let folder = '';
  return {
    name: 'fastv-site-files',
    configResolved: ({ root, build }) => {
      folder = resolve(root, build.outDir);
    },
    configureServer: (server) => {
      server.middlewares.use((request, response, next) => {
        void all().then((known) => {
          const path = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1);
          const file = known.get(path);
          if (file === undefined) {
            next();
            return;
          }
          response.setHeader('content-type', TYPES.get(extname(path)) ?? 'application/octet-stream');
          if (typeof file === 'string') createReadStream(file).pipe(response);
          else response.end(file);
        }, next);
      });
    },
    // the bundler finds ONNX Runtime's WebAssembly too; one copy of 27 MB is enough
    generateBundle: (_, bundle) => {
      for (const name of Object.keys(bundle))
        if (/ort-wasm-.*\.wasm$/u.test(name)) Reflect.deleteProperty(bundle, name);
    },
    writeBundle: async () => {
      for (const [path, file] of await all()) {
        const to = join(folder, path);
        await mkdir(dirname(to), { recursive: true });
        await (typeof file === 'string' ? copyFile(file, to) : writeFile(to, file));
      }
    },
  };
}
