/**
 * What the plug costs: `npm run bench:plug`.
 *
 * 1. The plug's own work, with a decoder session that answers at once: what a prefill and a decoding step take more.
 * 2. The decoder's session with and without the plug's wrapper.
 * 3. The same first token and the same answer, by calling the same sessions directly and through Transformers.js with
 *    the plug. This difference is mostly Transformers.js's own work (tensors, logits, sampling), not the plug's.
 */
import { resolve } from 'node:path';
import { AutoModelForImageTextToText, Tensor as HfTensor } from '@huggingface/transformers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { Conversation } from '../src/runtime/conversation.js';
import { fastv } from '../src/runtime/index.js';
import { settingsAmong } from '../src/runtime/options.js';
import { Passes } from '../src/runtime/passes.js';
import { prunedSession } from '../src/runtime/pruned-session.js';
import type { ForwardInputs } from '../src/runtime/transformers.js';
import { strategies } from '../src/strategies/index.js';
import { interleaved, speedup, timing, type Timing } from '../src/bench/timing.js';

const MODEL = resolve(process.argv[2] ?? 'models/scenes-llava');
const ROUNDS = Number(process.argv[3] ?? 31);
const RATIO = 0.5;
const NEW_TOKENS = 16;

// The sessions that Transformers.js makes, as they are under the plug.
const sessions: InferenceSession[] = [];
const create = InferenceSession.create.bind(InferenceSession) as (
  ...args: unknown[]
) => Promise<InferenceSession>;
Object.defineProperty(InferenceSession, 'create', {
  value: async (...args: unknown[]) => {
    const session = await create(...args);
    sessions.push(session);
    return session;
  },
});
const find = (input: string): InferenceSession => {
  const found = sessions.find(({ inputNames }) => inputNames.includes(input));
  if (found === undefined) throw new Error(`no session takes ${input}`);
  return found;
};

const conversation = await Conversation.load(MODEL);
const model = (await fastv(AutoModelForImageTextToText as never, MODEL, {
  dtype: 'fp32',
  layer: 2,
  ratio: RATIO,
  cache: false,
})) as {
  sessions: Record<string, { run(feeds: object): Promise<Record<string, Tensor>> }>;
  forward(inputs: object): Promise<unknown>;
  generate(inputs: object): Promise<unknown>;
};
const [vision, embed, decoder] = [find('pixel_values'), find('input_ids'), find('image_token_mask')];

const pixels = Uint8ClampedArray.from({ length: 96 * 96 * 3 }, (_, i) => (i * 37) % 251);
const inputs = await conversation.inputs([
  { role: 'user', text: 'What is this?', images: [{ data: pixels, width: 96, height: 96 }] },
]);
const ids = inputs.input_ids.data as BigInt64Array;
const pixelValues = inputs['pixel_values'] as HfTensor;
const IMAGE_TOKEN = 3n;

type Feeds = Record<string, Tensor>;

async function embeddings(step: readonly bigint[], withImage: boolean): Promise<Tensor> {
  const tensor = new Tensor('int64', BigInt64Array.from(step), [1, step.length]);
  const { inputs_embeds: embeds } = await embed.run({ input_ids: tensor });
  if (embeds === undefined) throw new Error('no embeddings');
  if (withImage) {
    const feeds = { pixel_values: new Tensor('float32', pixelValues.data as Float32Array, pixelValues.dims) };
    const { image_features: features } = await vision.run(feeds);
    const hidden = embeds.dims[2] ?? 0;
    const [from, to] = [features?.data as Float32Array, embeds.data as Float32Array];
    let next = 0;
    step.forEach((id, i) => {
      if (id === IMAGE_TOKEN) to.set(from.subarray(next++ * hidden, next * hidden), i * hidden);
    });
  }
  return embeds;
}

function decoderFeeds(embeds: Tensor, step: readonly bigint[], total: number, cache: Feeds): Feeds {
  const feeds: Feeds = {
    inputs_embeds: embeds,
    attention_mask: new Tensor('int64', new BigInt64Array(total).fill(1n), [1, total]),
    image_token_mask: new Tensor(
      'bool',
      Uint8Array.from(step, (id) => (id === IMAGE_TOKEN ? 1 : 0)),
      [1, step.length],
    ),
    prune_ratio: new Tensor('float32', [RATIO], [1]),
  };
  if (decoder.inputNames.includes('position_ids')) {
    const positions = BigInt64Array.from(step, (_, i) => BigInt(total - step.length + i));
    feeds['position_ids'] = new Tensor('int64', positions, [1, step.length]);
  }
  if (decoder.inputNames.includes('num_logits_to_keep'))
    feeds['num_logits_to_keep'] = new Tensor('int64', [1n], []);
  for (const meta of decoder.inputMetadata) {
    if (!meta.isTensor || !meta.name.startsWith('past_key_values.')) continue;
    const [, heads = 0, , width = 0] = meta.shape.map(Number);
    feeds[meta.name] = cache[meta.name] ?? new Tensor('float32', new Float32Array(0), [1, heads, 0, width]);
  }
  return feeds;
}

async function direct(newTokens: number): Promise<bigint[]> {
  let step = Array.from(ids);
  let cache: Feeds = {};
  const answer: bigint[] = [];
  for (let total = ids.length; answer.length < newTokens; total++) {
    const embeds = await embeddings(step, answer.length === 0);
    const outputs = await decoder.run(decoderFeeds(embeds, step, total, cache));
    const logits = outputs['logits'];
    if (logits === undefined) throw new Error('no logits');
    const last = (logits.data as Float32Array).subarray(-(logits.dims[2] ?? 0));
    let best = 0;
    last.forEach((value, id) => {
      if (value > (last[best] ?? 0)) best = id;
    });
    answer.push(BigInt(best));
    step = [BigInt(best)];
    cache = Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name.replace('present', 'past_key_values'), tensor]),
    );
  }
  return answer;
}

const plugged = async (newTokens: number): Promise<bigint[]> => {
  const sequences = (await model.generate({
    ...inputs,
    max_new_tokens: newTokens,
    min_new_tokens: newTokens,
  })) as HfTensor;
  return Array.from(sequences.data as BigInt64Array).slice(ids.length);
};

const wrapped = model.sessions['decoder_model_merged'];
if (wrapped === undefined) throw new Error('no decoder');
const embeds = await embeddings(Array.from(ids), true);
const feeds = decoderFeeds(embeds, Array.from(ids), ids.length, {});
const hidden = Object.fromEntries(
  Object.entries(feeds).filter(([name]) => !/^(image_token_mask|prune_ratio)$/u.test(name)),
);

const timings = await interleaved(
  [
    { name: 'first token, ONNX Runtime', run: () => direct(1) },
    { name: 'first token, plug', run: () => plugged(1) },
    { name: 'answer, ONNX Runtime', run: () => direct(NEW_TOKENS) },
    { name: 'answer, plug', run: () => plugged(NEW_TOKENS) },
    { name: 'decoder, session', run: () => decoder.run({ ...feeds, image_token_mask: noImage() }) },
    { name: 'decoder, wrapper', run: () => wrapped.run({ ...hidden }) },
  ],
  ROUNDS,
);

function noImage(): Tensor {
  return new Tensor('bool', new Uint8Array(ids.length), [1, ids.length]);
}

/** Microseconds of the plug's own JavaScript: begin a pass, add inputs, take the outputs away, report. */
async function ownWork(): Promise<{ prefill: number; decode: number }> {
  const prefillOutputs = await decoder.run(feeds);
  const passes = new Passes({
    config: (model as unknown as { config: Record<string, unknown> }).config,
    imageIds: new Set([IMAGE_TOKEN]),
    settings: settingsAmong(strategies, { layer: 2, ratio: RATIO }),
    leftPadding: decoder.inputNames.includes('position_ids'),
    positions: undefined,
    defaults: () => ({ ratio: RATIO }),
    onPrefill: () => undefined,
    onLeftPadding: () => undefined,
  });
  const { inputNames, outputNames, inputMetadata, outputMetadata } = decoder;
  const { kept_indices: kept, ...others } = prefillOutputs;
  if (kept === undefined) throw new Error('no kept_indices');
  // the wrapper disposes of what it takes away
  const answer = (): Feeds => ({
    ...others,
    kept_indices: new Tensor('int64', kept.data as BigInt64Array, kept.dims),
  });
  const stub = {
    inputNames,
    outputNames,
    inputMetadata,
    outputMetadata,
    run: () => Promise.resolve(answer()),
  };
  const wrapper = prunedSession(stub as unknown as InferenceSession, 1, passes);
  const time = async (call: () => ForwardInputs, embeddings: Tensor): Promise<number> => {
    const runs: number[] = [];
    for (let i = 0; i < 300; i++) {
      const start = performance.now();
      const { attention_mask: attention } = passes.begin(call()).inputs;
      if (attention) await wrapper.run({ inputs_embeds: embeddings, attention_mask: attention.ort_tensor });
      runs.push(1000 * (performance.now() - start));
    }
    return timing(runs.slice(100)).median;
  };
  const whole = inputs as unknown as ForwardInputs;
  const one = { ...whole, input_ids: new HfTensor('int64', [1n], [1, 1]), past_key_values: { key: 1 } };
  const single = new Tensor('float32', new Float32Array(embeds.dims[2] ?? 0), [1, 1, embeds.dims[2] ?? 0]);
  return {
    prefill: await time(() => whole, embeds),
    decode: await time(() => one as unknown as ForwardInputs, single),
  };
}

const own = await ownWork();
const decoderTime = timings.get('decoder, session')?.wall.fastest ?? Number.NaN;
const perStep =
  ((timings.get('answer, ONNX Runtime')?.wall.fastest ?? 0) -
    (timings.get('first token, ONNX Runtime')?.wall.fastest ?? 0)) /
  (NEW_TOKENS - 1);
console.log(
  `the plug's own work: ${own.prefill.toFixed(0)} µs a prefill (${(own.prefill / 10 / decoderTime).toFixed(2)}% of the fastest decoder run),`,
);
console.log(
  `  ${own.decode.toFixed(0)} µs a decoding step (${(own.decode / 10 / perStep).toFixed(2)}% of one)\n`,
);

const ms = ({ median, fastest }: Timing): string => `${median.toFixed(2)} ms (fastest ${fastest.toFixed(2)})`;
const names = [...timings.keys()];
for (let i = 0; i + 1 < names.length; i += 2) {
  const [before, after] = [timings.get(names[i] ?? ''), timings.get(names[i + 1] ?? '')];
  if (before === undefined || after === undefined) continue;
  console.log(`${names[i] ?? ''}: ${ms(before.wall)}; processor ${ms(before.cpu)}`);
  console.log(`${names[i + 1] ?? ''}: ${ms(after.wall)}; processor ${ms(after.cpu)}`);
  const overhead = (timing: 'wall' | 'cpu'): string =>
    `${(100 * (1 / speedup(before[timing], after[timing]) - 1)).toFixed(1)}%`;
  console.log(`  overhead: ${overhead('wall')} of the time, ${overhead('cpu')} of the processor time\n`);
}
console.log(`medians of ${ROUNDS} rounds, the variants in turns`);
