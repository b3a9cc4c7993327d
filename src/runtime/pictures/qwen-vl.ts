// Qwen2-VL's, Qwen2.5-VL's and Qwen3-VL's pictures. Transformers.js 4.3 takes several for the frames of one, which must be
// of one size, and rounds halves up where Python rounds them to even.
import { cat, Qwen2VLImageProcessor, type RawImage } from '@huggingface/transformers';
import { FastvError } from '../../errors.js';

type Result = Awaited<ReturnType<Qwen2VLImageProcessor['_call']>>;

/** The image processor, with Transformers.js's interface. */
export class QwenVlImageProcessor extends Qwen2VLImageProcessor {
  /** Pictures of any sizes: their patches one behind the other, and a grid each. */
  override async _call(images: RawImage | RawImage[], ...rest: unknown[]): Promise<Result> {
    const results: Result[] = [];
    for (const image of [images].flat()) results.push(await super._call([image], ...rest));
    const [first] = results;
    if (first === undefined)
      throw new FastvError('invalid-input', 'there is no picture', { where: 'images' });
    return {
      ...first,
      pixel_values: cat(
        results.map(({ pixel_values }) => pixel_values),
        0,
      ),
      image_grid_thw: cat(
        results.map(({ image_grid_thw }) => image_grid_thw),
        0,
      ),
      original_sizes: results.flatMap(({ original_sizes }) => original_sizes),
      reshaped_input_sizes: results.flatMap(({ reshaped_input_sizes }) => reshaped_input_sizes),
    };
  }

  /** transformers' smart_resize: whole blocks of patches, within the limits of pixels, near the picture's aspect. */
  override get_resize_output_image_size({ width, height }: RawImage): [width: number, height: number] {
    const factor = Number(this.patch_size) * Number(this.merge_size);
    const { min_pixels: least, max_pixels: most } = this as unknown as Record<string, number>;
    if (Math.max(width, height) / Math.min(width, height) > 200) {
      throw new FastvError('invalid-input', 'the picture is more than 200 times as long as it is wide', {
        where: `picture of ${width} × ${height}`,
        hint: 'Crop it, or pad it.',
      });
    }
    const [w, h] = [width, height].map((n) => halfToEven(n / factor) * factor) as [number, number];
    const bring = (limit: number, round: (x: number) => number): [number, number] => {
      const beta = Math.sqrt((height * width) / limit);
      return [width, height].map((n) => Math.max(factor, round(n / beta / factor) * factor)) as [
        number,
        number,
      ];
    };
    if (most !== undefined && w * h > most) return bring(most, Math.floor);
    if (least !== undefined && w * h < least) return bring(least, Math.ceil);
    return [Math.max(factor, w), Math.max(factor, h)];
  }
}

function halfToEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
