// The model that comes with the package: a small LLaVA, trained on this project's synthetic scenes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FastvError } from '../errors.js';

/** Its folder. */
export const EMBEDDED_MODEL = fileURLToPath(new URL('../../models/scenes-llava', import.meta.url));

/**
 * The folder of the model that comes with the package. It knows synthetic scenes only.
 * @throws {FastvError} `io` if it is not there
 * @example
 * const model = await openModel(embeddedModel(), { fastv: { layer: 2, ratio: 0.5 } });
 */
export function embeddedModel(): string {
  if (!existsSync(join(EMBEDDED_MODEL, 'config.json'))) {
    throw new FastvError('io', 'the embedded model is missing from this installation', {
      where: EMBEDDED_MODEL,
      hint: 'Install the package again, or name a model with --model.',
    });
  }
  return EMBEDDED_MODEL;
}
