// A model whose decoder's caches may have room (rewrite/step-caches.ts), as Transformers.js may see it: without the input
// that says how long they are.
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { CACHE_LENGTHS } from '../../decoder/contract.js';
import { stepCaches } from '../../rewrite/step-caches.js';
import type { Loader } from '../../runtime/load-pretrained.js';
import { openModel, type OpenedModel, type OpenOptions } from '../../runtime/model.js';
import { isDecoderFile } from '../../runtime/node-session.js';
import { looksLikeDecoder } from '../../runtime/rewritten-graph.js';
import { wrapRun, type Run } from '../../runtime/session.js';
import { withSwapAfter } from '../../runtime/session-swap.js';
import { sleepingThreads } from '../../runtime/sleeping-threads.js';
import { editedSource } from '../../runtime/unsigned-file.js';
import { isDecoderModel, ortTensorLike, type HfModel } from '../../runtime/transformers.js';

/** Decoders whose caches may have room. */
const stepped = new WeakSet<HfModel>();

/** Whether a model's decoder takes `cache_lengths`. */
export function hasRoomyCaches(model: HfModel): boolean {
  return stepped.has(model);
}

/** Opens a model for a server: with the options that a program would open it with. */
export function openServed(name: string, options: OpenOptions): Promise<OpenedModel> {
  const loading = { session_options: sleepingThreads(), ...options.loading };
  return openModel(name, { ...options, loading, modelClass: STEPPED });
}

/** Loads models so, where their decoders allow it. */
const STEPPED: Loader = {
  from_pretrained: async (name, options = {}) => {
    const loaded = { changed: false };
    const given = options['session_options'] ?? {};
    const swapped = withSwapAfter(given, async (source, { model: asked }) => {
      const decoder = typeof asked === 'string' ? isDecoderFile(asked) : looksLikeDecoder(asked);
      // on a GPU the caches would go there and the branches come back at every step
      if (!decoder || options['device'] !== 'cpu') return source;
      const other = await editedSource(source, stepCaches);
      loaded.changed = other !== source;
      return other;
    });
    const model: unknown = await AutoModelForImageTextToText.from_pretrained(name, {
      ...options,
      session_options: swapped,
    });
    if (!loaded.changed || !isDecoderModel(model)) return model;
    const { decoder_model_merged: decoder } = model.sessions;
    if (decoder === undefined) return model;
    model.sessions['decoder_model_merged'] = wrapRun(decoder, withLengths, [CACHE_LENGTHS]);
    stepped.add(model);
    return model;
  },
};

/** A run that says of caches that nobody says anything of that they are no longer than what they hold. */
function withLengths(run: Run): Run {
  return (feeds, ...rest) => {
    const [any] = Object.values(feeds);
    if (any === undefined || feeds[CACHE_LENGTHS] !== undefined) return run(feeds, ...rest);
    const none = ortTensorLike(any, 'int64', new BigInt64Array(), [0]);
    return run({ ...feeds, [CACHE_LENGTHS]: none }, ...rest);
  };
}
