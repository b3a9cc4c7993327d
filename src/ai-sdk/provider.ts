// A provider of the AI SDK whose models run here, pruned by FastV. What differs between Node and a browser is given.
import { NoSuchModelError, type LanguageModelV3, type ProviderV3 } from '@ai-sdk/provider';
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { Conversation } from '../runtime/conversation.js';
import { hubOptions } from '../runtime/hub-options.js';
import type { LoadOptions, ModelClass, WithFastv } from '../runtime/plug.js';
import { FastvLanguageModel, type Answering } from './language-model.js';
import type { DecodePicture } from './prompt.js';

/**
 * How a provider's models are loaded: fastv's own options, and those of `from_pretrained` (`dtype`, `device`, `revision`, …).
 * @example
 * const settings: FastvProviderSettings = { layer: 2, ratio: 0.75, dtype: 'q8' };
 */
export type FastvProviderSettings = LoadOptions<typeof AutoModelForImageTextToText> & {
  /** The class that loads the models; default `AutoModelForImageTextToText`. */
  readonly modelClass?: ModelClass;
};

/**
 * A provider: called with a model's name or folder, it gives the model, the same one each time. It is loaded when it is
 * first asked.
 * @example
 * const fastv: FastvProvider = createFastv({ ratio: 0.75 });
 * const model = fastv('HuggingFaceTB/SmolVLM-256M-Instruct');
 */
export interface FastvProvider extends ProviderV3 {
  (modelId: string): LanguageModelV3;
  /** Frees every model that was loaded. One that is asked again is loaded again. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What differs between Node and a browser. */
export interface ProviderPlatform {
  readonly fastv: (
    modelClass: ModelClass,
    name: string,
    options: Record<string, unknown>,
  ) => Promise<WithFastv<unknown>>;
  readonly decode: DecodePicture;
  /** Looks at a model's folder before anything of it is read. @throws {FastvError} */
  readonly check?: (name: string) => void;
}

interface Loaded extends Answering {
  dispose(): Promise<unknown>;
}

/** Makes a provider on a platform. */
export function providerOn(platform: ProviderPlatform, settings: FastvProviderSettings): FastvProvider {
  const { modelClass = AutoModelForImageTextToText, ...options } = settings;
  const models = new Map<string, LanguageModelV3>();
  const loaded = new Map<string, Promise<Loaded>>();

  const load = (modelId: string): Promise<Loaded> => {
    const known = loaded.get(modelId);
    if (known !== undefined) return known;
    const loading = (async (): Promise<Loaded> => {
      platform.check?.(modelId);
      const conversation = await Conversation.load(modelId, hubOptions(options));
      const model = await platform.fastv(modelClass, modelId, options);
      return {
        conversation,
        model: model as unknown as Answering['model'],
        call: (given) => model.fastv.call(given),
        dispose: () => (model as unknown as { dispose(): Promise<unknown> }).dispose(),
      };
    })();
    loaded.set(modelId, loading);
    // what failed may be tried again
    loading.catch(() => loaded.delete(modelId));
    return loading;
  };
  const languageModel = (modelId: string): LanguageModelV3 => {
    let model = models.get(modelId);
    if (model === undefined) {
      model = new FastvLanguageModel({ modelId, load: () => load(modelId), decode: platform.decode });
      models.set(modelId, model);
    }
    return model;
  };
  const dispose = async (): Promise<void> => {
    const open = [...loaded.values()];
    loaded.clear();
    await Promise.all(open.map(async (loading) => (await loading.catch(() => undefined))?.dispose()));
  };
  const no = (modelType: 'embeddingModel' | 'imageModel') => (modelId: string) => {
    throw new NoSuchModelError({ modelId, modelType });
  };
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: 'v3' as const,
    languageModel,
    embeddingModel: no('embeddingModel'),
    imageModel: no('imageModel'),
    dispose,
    [Symbol.asyncDispose]: dispose,
  });
}
