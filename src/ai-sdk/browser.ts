// `fastv/ai-sdk` in a browser.
import { FastvError } from '../errors.js';
import type { RgbImage } from '../runtime/conversation.js';
import { fastv } from '../runtime/browser.js';
import { providerOn, type FastvProvider, type FastvProviderSettings } from './provider.js';

export type { FastvProvider, FastvProviderSettings } from './provider.js';

/** Pixels of a picture; a canvas takes no more on many devices. */
const PIXELS = 100e6;

/**
 * A provider of the AI SDK whose vision-language models run in this page, pruned by FastV (arXiv 2403.06764).
 * R, a budget and a seed may be given with each call, as `providerOptions.fastv`; what was pruned comes back as
 * `providerMetadata.fastv`.
 * @param settings fastv's own options and those of Transformers.js's `from_pretrained`, for all models of this provider
 * @example
 * import { streamText } from 'ai';
 * const fastv = createFastv({ ratio: 0.5, device: 'webgpu', dtype: 'q4f16' });
 * const { textStream } = streamText({
 *   model: fastv('HuggingFaceTB/SmolVLM-256M-Instruct'),
 *   messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image', image: bytes }] }],
 * });
 * for await (const piece of textStream) answer.append(piece);
 */
export function createFastv(settings: FastvProviderSettings = {}): FastvProvider {
  return providerOn({ fastv, decode }, settings);
}

async function decode(bytes: Uint8Array<ArrayBuffer>, where: string): Promise<RgbImage> {
  const refuse = (message: string, cause?: unknown): FastvError =>
    new FastvError('invalid-input', message, {
      where,
      hint: 'Give a picture that this browser can show.',
      ...(cause === undefined ? {} : { cause }),
    });
  const bitmap = await createImageBitmap(new Blob([bytes])).catch((cause: unknown) => {
    throw refuse('this is no image', cause);
  });
  try {
    const { width, height } = bitmap;
    if (width * height > PIXELS) throw refuse(`the image has ${width} x ${height} pixels`);
    const context = new OffscreenCanvas(width, height).getContext('2d');
    if (context === null) throw refuse('there is no canvas to decode it on');
    // transparency over white
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data;
    const data = new Uint8ClampedArray(3 * width * height);
    for (let i = 0, j = 0; i < rgba.length; i += 4) {
      data[j++] = rgba[i] ?? 0;
      data[j++] = rgba[i + 1] ?? 0;
      data[j++] = rgba[i + 2] ?? 0;
    }
    return { data, width, height };
  } finally {
    bitmap.close();
  }
}
