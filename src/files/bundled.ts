// What comes with fastv besides its code, the small model and the pictures' parts: in a clone they lie beside the code; an
// app that wants them installs the package fastv-scenes.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How to get it, where it is not there. */
export const GET_BUNDLED = 'npm i fastv-scenes has it.';

/** A folder of these by its name, or undefined where it is not installed. */
export function bundledFolder(name: 'models/scenes-llava' | 'assets/scenes'): string | undefined {
  // a bundle in CommonJS has no import.meta.url, and Turbopack's is a number
  const here: unknown = import.meta.url;
  if (typeof here !== 'string' || !here.startsWith('file:')) return undefined;
  const own = join(dirname(fileURLToPath(here)), '..', '..', name);
  if (existsSync(own)) return own;
  try {
    return join(dirname(createRequire(here).resolve('fastv-scenes/package.json')), name);
  } catch {
    return undefined;
  }
}
