// A processor of Transformers.js as Hugging Face's code has it: the same interface, the same numbers. It is given
// `Picture`s, which resize as Pillow does; what its image processor does otherwise than Hugging Face's is replaced here.
import {
  Idefics3ImageProcessor,
  ImageProcessor,
  LlavaProcessor,
  PixtralProcessor,
  Processor,
  Qwen2VLImageProcessor,
  type RawImage,
} from '@huggingface/transformers';
import { isRecord } from '../transformers.js';
import { anyresOf } from './anyres.js';
import {
  AnyresProcessor,
  CroppedProcessor,
  EveryImageProcessor,
  RowsProcessor,
  VideoLlavaProcessor,
} from './llava-processors.js';
import { QwenVlImageProcessor } from './qwen-vl.js';
import { TiledImageProcessor } from './tiled.js';

type Maker<T> = new (config: unknown) => T;
type ProcessorMaker = new (
  config: unknown,
  components: Record<string, unknown>,
  template: string,
) => Processor;

/** The processor in the place of Transformers.js's own; that one is left as it is. */
export function exactProcessor(processor: Processor): Processor {
  const { image_processor: image, components, chat_template: template } = processor;
  // what is no class of Transformers.js's cannot be made anew
  if (!(processor instanceof Processor) || !(image instanceof ImageProcessor)) return processor;
  const Class = classOf(processor);
  return new Class(
    processor.config as unknown,
    { ...components, image_processor: exactImageProcessor(image) },
    template,
  );
}

function classOf(processor: Processor): ProcessorMaker {
  const config: unknown = processor.config;
  if (processor instanceof PixtralProcessor) return RowsProcessor;
  if (!(processor instanceof LlavaProcessor)) return processor.constructor as ProcessorMaker;
  if (anyresOf(config) !== undefined) return AnyresProcessor;
  if (isRecord(config) && typeof config['video_token'] === 'string') return VideoLlavaProcessor;
  const image: unknown = processor.image_processor?.config;
  if (isRecord(image) && 'crop_to_patches' in image) return CroppedProcessor;
  return EveryImageProcessor;
}

function exactImageProcessor(image: ImageProcessor): ImageProcessor {
  const own = (image as unknown as { config: unknown }).config;
  if (image instanceof Idefics3ImageProcessor) return new TiledImageProcessor(own);
  if (image instanceof Qwen2VLImageProcessor) return new QwenVlImageProcessor(own);
  const exact = new (image.constructor as Maker<ImageProcessor>)(own);
  const outputSize = exact.get_resize_output_image_size.bind(exact);
  return Object.assign(exact, {
    // Transformers.js rounds to hundredths of a pixel before it cuts them off
    get_resize_output_image_size: (picture: RawImage, size: unknown): [number, number] =>
      shortestEdge(picture, size) ?? outputSize(picture, size),
  });
}

/** Width and height with the shortest edge of a length, where that is all that is asked for. */
function shortestEdge({ width, height }: RawImage, size: unknown): [number, number] | undefined {
  if (!isRecord(size) || Object.keys(size).length !== 1) return undefined;
  const { shortest_edge: edge } = size;
  if (typeof edge !== 'number') return undefined;
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const longer = Math.trunc((edge * long) / short);
  return width <= height ? [edge, longer] : [longer, edge];
}
