// The package's own files, from the repository's folder: the benchmarks run from a build that lies elsewhere.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { makeAtlas, type Atlas, type AtlasIndex } from '../src/scenes/atlas.js';

/** The model that comes with the package. */
export const EMBEDDED_FOLDER = resolve('models/scenes-llava');

/** What scenes are drawn with. */
export function sceneAtlas(): Atlas {
  const folder = resolve('assets/scenes');
  const index = JSON.parse(readFileSync(join(folder, 'atlas.json'), 'utf8')) as AtlasIndex;
  return makeAtlas(index, gunzipSync(readFileSync(join(folder, 'atlas.bin'))));
}
