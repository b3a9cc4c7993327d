// A model's pictures at another size than its processor's own: more or fewer patches, and so image tokens, of one picture.
//
// Qwen2-VL's family takes any number of pixels; a tower with learned positions takes another size where its encoder
// interpolates them (Hugging Face's `interpolate_pos_encoding`; `fastv build --interpolate-positions`).
import {
  ImageProcessor,
  LlavaProcessor,
  Qwen2VLImageProcessor,
  type Processor,
} from '@huggingface/transformers';
import { FastvError } from '../errors.js';
import { Conversation } from './conversation.js';
import type { OpenedModel } from './open-model.js';
import { anyresOf } from './pictures/anyres.js';
import { isRecord } from './transformers.js';

/** Of the side of a picture. */
const [LEAST, MOST] = [8, 8192] as const;

type Config = Readonly<Record<string, unknown>>;

/**
 * A model's conversations with pictures seen at another size.
 * @param pixels of a picture's side; for Qwen2-VL's family, of the side of a square of as many
 * @throws {FastvError} `unsupported-decoder` for a processor whose pictures have no one size: tiles, rows, videos
 */
export function conversationAt(conversation: Conversation, pixels: number): Conversation {
  const where = `${pixels} px`;
  if (!Number.isInteger(pixels) || pixels < LEAST || pixels > MOST) {
    throw new FastvError('invalid-option', `an image's side must have ${LEAST} to ${MOST} pixels`, { where });
  }
  const { processor } = conversation;
  const { image_processor: image, components, chat_template: template } = processor;
  const config = image instanceof ImageProcessor ? sizedConfig(processor, image, pixels) : undefined;
  if (!(image instanceof ImageProcessor) || config === undefined) {
    throw new FastvError('unsupported-decoder', `${processor.constructor.name} has no one size of pictures`, {
      where,
      hint: 'Another size can be had of LLaVA with one picture a question, and of the Qwen2-VL family.',
    });
  }
  const Image = image.constructor as new (config: unknown) => ImageProcessor;
  const Class = processor.constructor as new (...parts: unknown[]) => Processor;
  const sized = { ...components, image_processor: new Image(config) };
  return new Conversation(new Class(processor.config, sized, template));
}

/** Whether its pictures have whatever size they have, within limits of pixels: a smaller one then has fewer image tokens. */
export function countsPixels({ processor }: Conversation): boolean {
  return processor.image_processor instanceof Qwen2VLImageProcessor;
}

/** The image processor's configuration at another size; undefined where it has none. */
function sizedConfig(processor: Processor, image: ImageProcessor, pixels: number): Config | undefined {
  const own: unknown = image.config;
  if (!isRecord(own)) return undefined;
  if (image instanceof Qwen2VLImageProcessor) {
    // a little apart, so that rounding adds or takes no row of patches
    const [least, most] = [(1 - 1e-6) * pixels ** 2, (1 + 1e-6) * pixels ** 2];
    const limits = { min_pixels: least, max_pixels: most };
    return { ...own, ...limits, size: { shortest_edge: least, longest_edge: most } };
  }
  const plain = processor instanceof LlavaProcessor && anyresOf(processor.config) === undefined;
  const video = isRecord(processor.config) && typeof processor.config['video_token'] === 'string';
  if (!plain || video || 'crop_to_patches' in own) return undefined;
  const size = resized(own['size'], pixels);
  if (size === undefined) return undefined;
  const crop = own['crop_size'] === undefined ? {} : { crop_size: resized(own['crop_size'], pixels) };
  return { ...own, size, ...crop };
}

/** A size with its sides of so many pixels; undefined for what is no fixed size. */
function resized(size: unknown, pixels: number): unknown {
  if (typeof size === 'number') return pixels;
  if (!isRecord(size)) return undefined;
  const sides = Object.keys(size);
  const fixed =
    sides.every((side) => ['height', 'width', 'shortest_edge'].includes(side)) && sides.length > 0;
  return fixed ? Object.fromEntries(sides.map((side) => [side, pixels])) : undefined;
}

/**
 * Asks a model about a grey picture of a size, so that one that cannot see it is refused before the first question.
 * @throws {FastvError} `unsupported-decoder` if its vision encoder takes no such pictures
 */
export async function checkSees(model: OpenedModel, sized: Conversation, pixels: number): Promise<void> {
  const data = new Uint8ClampedArray(3 * pixels ** 2).fill(128);
  const picture = { data, width: pixels, height: pixels };
  const inputs = await sized.inputs([{ role: 'user', text: 'What is this?', images: [picture] }]);
  try {
    await model.ask(inputs, { maxNewTokens: 1 });
  } catch (cause) {
    throw new FastvError(
      'unsupported-decoder',
      `the model's vision encoder takes no pictures of ${pixels} px`,
      {
        where: model.name,
        hint: 'An encoder of one size takes that alone; fastv build --interpolate-positions makes one that takes several.',
        cause,
      },
    );
  }
}
