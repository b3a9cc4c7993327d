// The model that comes with the package: a small LLaVA, trained on this project's synthetic scenes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FastvError } from '../errors.js';
import { bundledFolder, GET_BUNDLED } from '../files/bundled.js';

/** Its folder; empty where it is not installed. */
export const EMBEDDED_MODEL = bundledFolder('models/scenes-llava') ?? '';

/**
 * The folder of the model that comes with the package. It knows synthetic scenes only.
 * @throws {FastvError} `io` if it is not there
 * @example
 * const model = await openModel(embeddedModel(), { fastv: { layer: 2, ratio: 0.5 } });
 */
export function embeddedModel(): string {
  if (EMBEDDED_MODEL === '' || !existsSync(join(EMBEDDED_MODEL, 'config.json'))) {
    throw new FastvError('io', 'the embedded model is missing from this installation', {
      where: EMBEDDED_MODEL === '' ? 'fastv-scenes' : EMBEDDED_MODEL,
      hint: `${GET_BUNDLED} Or name a model, leaving fastv out of bundles.`,
    });
  }
  return EMBEDDED_MODEL;
}
