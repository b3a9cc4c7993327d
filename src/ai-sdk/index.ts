// `fastv/ai-sdk` in Node. In a browser, bundlers take browser.ts instead.
import '../runtime/one-runtime.js';
import { checkLocalModel } from '../files/model-name.js';
import { decodePicture } from '../media/decode.js';
import { fastv } from '../runtime/node.js';
import { providerOn, type FastvProvider, type FastvProviderSettings } from './provider.js';

export type { FastvProvider, FastvProviderSettings } from './provider.js';

/**
 * A provider of the AI SDK whose vision-language models run in this process, pruned by FastV (arXiv 2403.06764).
 * R, a budget and a seed may be given with each call, as `providerOptions.fastv`; what was pruned comes back as
 * `providerMetadata.fastv`.
 * @param settings fastv's own options and those of Transformers.js's `from_pretrained`, for all models of this provider
 * @example
 * import { generateText } from 'ai';
 * const fastv = createFastv({ layer: 2, ratio: 0.5, dtype: 'q8' });
 * const { text, providerMetadata } = await generateText({
 *   model: fastv('HuggingFaceTB/SmolVLM-256M-Instruct'),
 *   messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, { type: 'image', image: bytes }] }],
 *   providerOptions: { fastv: { ratio: 0.75 } },
 * });
 */
export function createFastv(settings: FastvProviderSettings = {}): FastvProvider {
  const check = (name: string): void => {
    checkLocalModel(name);
  };
  return providerOn({ fastv, decode: (bytes, where) => decodePicture(bytes, where), check }, settings);
}
