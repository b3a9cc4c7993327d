// The model that comes with the package: a small LLaVA, trained on this project's synthetic scenes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FastvError } from '../errors.js';

// a bundle in CommonJS has no import.meta.url
const here: unknown = import.meta.url;

/** Its folder; empty in a bundle that has no places. */
export const EMBEDDED_MODEL =
  typeof here === 'string' ? fileURLToPath(new URL('../../models/scenes-llava', here)) : '';

/** Its folder, if it is there. @throws {FastvError} `io` if it is not */
export function embeddedModel(): string {
  if (EMBEDDED_MODEL === '' || !existsSync(join(EMBEDDED_MODEL, 'config.json'))) {
    throw new FastvError('io', 'the embedded model is missing from this installation', {
      where: EMBEDDED_MODEL,
      hint: 'Install the package again, leave fastv out of the bundle, or name a model.',
    });
  }
  return EMBEDDED_MODEL;
}
