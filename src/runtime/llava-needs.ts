// Which models need what Transformers.js 4.3 has no class for (`llava-models.ts`, which a page fetches for those alone).
import { isRecord, type HfModel } from './transformers.js';

type Session = HfModel['sessions'][string];

/** Whether {@link completeModel} may have something to give to a model. */
export function needsCompletion({ config, sessions: { vision_encoder: vision } }: HfModel): boolean {
  const bySession = vision !== undefined && (asksForSizes(vision) || takesAnySize(vision));
  return bySession || tagsOf(config) !== undefined || hasVideoEncoder(config);
}

/** Whether a vision encoder asks for the sizes of pictures that are given as tiles. */
export function asksForSizes(session: Session): boolean {
  return session.inputNames.includes('image_sizes');
}

/** Whether a vision encoder takes pictures of any size, all of one call of the same. */
export function takesAnySize({ inputMetadata }: Session): boolean {
  const pixels = inputMetadata.find(({ name }) => name === 'pixel_values');
  const shape = pixels?.isTensor === true ? pixels.shape : [];
  return shape.length === 4 && shape.slice(2).every((axis) => typeof axis === 'string');
}

/** The tokens between which pictures stand, and theirs; undefined where there are no such tags. */
export function tagsOf(
  config: HfModel['config'],
): { readonly start: number; readonly end: number; readonly image: number } | undefined {
  const { image_start_id: start, image_end_id: end, image_token_index: image } = config;
  if (typeof start !== 'number' || typeof end !== 'number' || typeof image !== 'number') return undefined;
  return { start, end, image };
}

/** Whether videos have an encoder of their own. */
export function hasVideoEncoder(config: HfModel['config']): boolean {
  const own = config['transformers.js_config'];
  return isRecord(own) && isRecord(own['dtype']) && 'video_encoder' in own['dtype'];
}
