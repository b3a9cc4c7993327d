// Opened models in a page or a worker.
import { BROWSER } from './browser-platform.js';
import { openOn, type OpenedModel, type OpenOptions } from './open-model.js';

/**
 * Opens a model in a page or a worker.
 * @param name a name on the Hugging Face hub
 * @throws {FastvError} as the plug; what Transformers.js throws where files are missing
 * @example
 * const model = await openModel(name, { fastv: { ratio: 0.5 }, loading: { device: 'webgpu', dtype: 'q4f16' } });
 * const stream = model.stream([{ role: 'user', text: 'What is this?', images: [picture] }], { maxNewTokens: 64 });
 * for await (const piece of stream) answer.append(piece);
 */
export function openModel(name: string, options: OpenOptions = {}): Promise<OpenedModel> {
  return openOn(BROWSER, name, options);
}
