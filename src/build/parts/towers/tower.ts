// Vision towers for images of a fixed size, by the `model_type` of their configuration.
import type { Config } from '../../checkpoint/config.js';
import type { PartGraph } from '../../part.js';
import type { Scope } from '../../weights.js';
import { clip } from './clip.js';
import type { TowerOutput } from './patches.js';
import { siglip } from './siglip.js';

type MakeTower = (
  g: PartGraph,
  pixels: string,
  vision: Config,
  w: Scope,
  wanted: readonly number[],
) => TowerOutput;

const TOWERS: ReadonlyMap<string, MakeTower> = new Map([
  ['clip_vision_model', clip],
  ['siglip_vision_model', siglip],
]);

/** A tower's hidden states. @throws {FastvError} `unsupported-decoder` for towers that are not known */
export const visionTower: MakeTower = (g, pixels, vision, w, wanted) => {
  const tower = TOWERS.get(vision.text('model_type', 'clip_vision_model'));
  if (tower === undefined)
    throw vision.refuse('model_type', [...TOWERS.keys()].join(', '), 'unsupported-decoder');
  return tower(g, pixels, vision, w, wanted);
};
