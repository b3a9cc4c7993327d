// The little of Transformers.js (4.3) that a decoding loop of one's own needs, beside what the plug touches.
import type { Tensor } from '@huggingface/transformers';
import { FastvError } from '../../errors.js';
import { isRecord, type HfCache, type HfModel } from '../../runtime/transformers.js';

/** Tensors of a KV cache by the names of the decoder's inputs. */
export type CacheTensors = Readonly<Record<string, Tensor>>;

/** What a pass of the decoder gives. */
export type DecoderOutputs = Readonly<Record<string, Tensor>> & { readonly logits: Tensor };

/** Changes the logits `[1, vocabulary]` of a sequence, as the model's own generation settings ask. */
export type LogitsProcessor = (sequences: bigint[][], logits: Tensor) => Tensor;

/** The settings that a model generates with where nobody says otherwise. */
export interface GenerationConfig {
  readonly eos_token_id: number | readonly number[] | null;
  readonly do_sample: boolean;
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k: number;
}

/** A model whose passes are run one by one. */
export interface SteppedModel extends HfModel {
  _prepare_generation_config(given: null, options: object): GenerationConfig;
  _get_logits_processor(config: GenerationConfig, promptLength: number): LogitsProcessor;
}

/** @throws {FastvError} `unsupported-decoder` for a model of another version of Transformers.js */
export function steppedModel(model: HfModel): SteppedModel {
  const needed = ['prepare_inputs_for_generation', '_prepare_generation_config', '_get_logits_processor'];
  const lacks = needed.find(
    (name) => typeof (model as unknown as Record<string, unknown>)[name] !== 'function',
  );
  if (lacks !== undefined) {
    throw new FastvError(
      'unsupported-decoder',
      `the model has no ${lacks}, which the server generates with`,
      {
        hint: 'Install @huggingface/transformers ^4.3.1.',
      },
    );
  }
  return model as SteppedModel;
}

/** @throws {FastvError} `inference` for outputs without logits */
export function decoderOutputs(outputs: unknown): DecoderOutputs {
  if (isRecord(outputs) && isRecord(outputs['logits'])) return outputs as DecoderOutputs;
  throw new FastvError('inference', 'the decoder gave no logits');
}

/** Where the states of a pass go in at the next one. */
const NEXT: readonly (readonly [state: string, past: string])[] = [
  ['present_ssm', 'past_ssm'],
  ['present_conv', 'past_conv'],
  ['present_recurrent', 'past_recurrent'],
  ['present', 'past_key_values'],
];

/** The KV cache and other states that a pass gave, under the names of the inputs that take them. */
export function cacheOf(outputs: DecoderOutputs): CacheTensors {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([name, tensor]) => {
      const found = NEXT.find(([state]) => name.startsWith(state));
      return found === undefined ? [] : [[name.replace(...(found as [string, string])), tensor]];
    }),
  );
}

/**
 * A cache as Transformers.js takes it.
 * @param length the unpruned length of what it holds: its first layer may be pruned (K = 0), or padded
 */
export function hfCache(tensors: CacheTensors, length: number): HfCache {
  return Object.defineProperty({ ...tensors }, 'get_seq_length', {
    value: () => length,
    enumerable: false,
  }) as unknown as HfCache;
}
