// Attention heat maps: the unpruned decoder with one output more a layer, as `fastv analyze` runs it.
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { InferenceSession } from 'onnxruntime-web/webgpu';
import { rowName, withAttentionRows } from '../../../src/analysis/attention-rows.js';
import { FastvError } from '../../../src/browser.js';
import { concatChunks, decodeModel, encodeModel } from '../../../src/onnx/index.js';
import type { ModelInputs } from '../../../src/runtime/conversation.js';
import { gridsOf, imageSpans, imageTokenIds, imageTokenMask } from '../../../src/runtime/image-tokens.js';
import { looksLikeDecoder } from '../../../src/runtime/rewritten-graph.js';
import { wrapRun, type Tensors } from '../../../src/runtime/session.js';
import { installSwap, withSwap, type Swap } from '../../../src/runtime/session-swap.js';
import { isDecoderModel, type HfModel } from '../../../src/runtime/transformers.js';
import { allow } from './environment.js';
import type { AttentionMaps, LoadRequest } from './types.js';

/** A model that tells where its last token looks. */
export interface TappedModel {
  readonly model: HfModel;
  /** Generates one token, and gives each layer's row: attention of the last token to all tokens. */
  rows(inputs: ModelInputs): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** Loads it beside the model that is asked; its files are read from the browser's cache. */
export async function loadTapped({ model: name, device, dtype }: LoadRequest): Promise<TappedModel> {
  allow(name);
  let layers = 0;
  const swap: Swap = ({ model, options }) => {
    if (typeof model === 'string' || !looksLikeDecoder(model)) return Promise.resolve({ model, options });
    const tapped = withAttentionRows(decodeModel(model));
    ({ layers } = tapped.report);
    return Promise.resolve({ model: concatChunks(encodeModel(tapped.model)), options });
  };
  installSwap(InferenceSession);
  const model: unknown = await AutoModelForImageTextToText.from_pretrained(name, {
    device,
    dtype,
    session_options: withSwap({}, swap),
  });
  const session = isDecoderModel(model) ? model.sessions['decoder_model_merged'] : undefined;
  if (!isDecoderModel(model) || session === undefined || layers === 0)
    throw new FastvError('unsupported-decoder', 'this model has no decoder that could tell', { where: name });
  const names = Array.from({ length: layers }, (_, layer) => rowName(layer));
  let seen: Tensors = {};
  model.sessions['decoder_model_merged'] = wrapRun(
    session,
    (run) =>
      async (feeds, ...rest) => {
        const outputs = await run(feeds, ...rest);
        if (!(rowName(0) in seen)) seen = outputs;
        return Object.fromEntries(Object.entries(outputs).filter(([output]) => !names.includes(output)));
      },
    names,
  );
  const generating = model as HfModel & {
    generate(options: object): Promise<unknown>;
    dispose(): Promise<unknown>;
  };
  return {
    model,
    rows: async (inputs) => {
      seen = {};
      await generating.generate({ ...inputs, max_new_tokens: 1, do_sample: false });
      const outputs = seen;
      return Promise.all(
        names.map(async (output) => Float32Array.from((await outputs[output]?.getData()) as Float32Array)),
      );
    },
    close: async () => {
      await generating.dispose();
    },
  };
}

/** Each layer's attention to the patches of the last image, which of tiles is the one that shows all. */
export async function attentionMaps(tapped: TappedModel, inputs: ModelInputs): Promise<AttentionMaps> {
  const { config } = tapped.model;
  const mask = imageTokenMask(inputs.input_ids, imageTokenIds(config));
  const image = imageSpans(mask, config, gridsOf(inputs, config)).at(-1);
  if (image === undefined) throw new FastvError('invalid-input', 'the prompt has no image');
  const layers = (await tapped.rows(inputs)).map((row) => image.positions.map((at) => row[at] ?? 0));
  return { rows: image.rows, columns: image.columns, layers };
}
