/**
 * Fewer image tokens without pruning: from a smaller image where resolution decides how many there are, else
 * from the features of the whole image, averaged to a coarser grid.
 */
import { Tensor } from '@huggingface/transformers';
import sharp from 'sharp';
import { FastvError } from '../errors.js';
import type { ModelInputs } from '../runtime/conversation.js';
import { ortTensorLike, type OrtTensor } from '../runtime/transformers.js';
import { picture, type Picture } from './datasets/picture.js';
import { poolFeatures } from './pool-features.js';

/** Inputs of a question under a scale, and what the encoder's features are to be pooled to. */
export interface ScaledInputs {
  readonly inputs: ModelInputs;
  /** Side of the grid of features; null where they stay as they are. */
  readonly poolTo: number | null;
}

/** An image scaled by `scale` in both directions. */
export async function scaledPicture(image: Picture, scale: number): Promise<Picture> {
  const raw = { width: image.width, height: image.height, channels: 3 } as const;
  const [width, height] = [
    Math.max(1, Math.round(image.width * scale)),
    Math.max(1, Math.round(image.height * scale)),
  ];
  const data = await sharp(image.data, { raw }).resize(width, height, { fit: 'fill' }).raw().toBuffer();
  return picture(width, height, data);
}

/**
 * Inputs with as few image tokens as the pooled features will be.
 * @param images how many images there are, all with one square grid of tokens
 * @throws {FastvError} `invalid-input` for tokens that are no square grid
 */
export function poolInputs(
  inputs: ModelInputs,
  imageIds: ReadonlySet<bigint>,
  images: number,
  scale: number,
): ScaledInputs {
  const ids = Array.from(inputs.input_ids.data as BigInt64Array);
  const count = ids.filter((id) => imageIds.has(id)).length;
  const side = Math.sqrt(count / images);
  if (!Number.isInteger(side)) {
    throw new FastvError(
      'invalid-input',
      'this model neither takes smaller images nor has a square grid of image tokens',
      { hint: 'leave the scaled-down baseline out: --no-downsample' },
    );
  }
  const poolTo = Math.max(1, Math.round(side * scale));
  let seen = 0;
  const kept = ids.filter((id) => !imageIds.has(id) || seen++ % side ** 2 < poolTo ** 2);
  const dims = [1, kept.length];
  return {
    inputs: {
      ...inputs,
      input_ids: new Tensor('int64', BigInt64Array.from(kept), dims),
      attention_mask: new Tensor('int64', new BigInt64Array(kept.length).fill(1n), dims),
    },
    poolTo,
  };
}

/**
 * An encoder's output `[…, side², width]`, averaged to `[…, target², width]`.
 * @throws {FastvError} `invalid-input` for features that are no square grid of float32
 */
export function pooledFeatures(tensor: OrtTensor, target: number): OrtTensor {
  const [width = 0, tokens = 0] = [...tensor.dims].reverse();
  const side = Math.sqrt(tokens);
  if (tensor.type !== 'float32' || !Number.isInteger(side)) {
    throw new FastvError(
      'invalid-input',
      `features of ${tensor.type} [${tensor.dims.join(', ')}] cannot be pooled`,
    );
  }
  const images = tensor.dims.slice(0, -2).reduce((a, b) => a * b, 1);
  const data = poolFeatures(tensor.data as Float32Array, images, side, target, width);
  return ortTensorLike(tensor, 'float32', data, [...tensor.dims.slice(0, -2), target * target, width]);
}
