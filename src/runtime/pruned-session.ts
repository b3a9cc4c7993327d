// The rewritten decoder as Transformers.js may see it: with the names of the original. What the rewrite added is fed
// and taken away here, per forward pass.
import { FastvError } from '../errors.js';
import { wrapRun, type Run, type Tensors } from './session.js';
import type { OrtSession, OrtTensor } from './transformers.js';

/** Names that the rewrite adds (the graph contract). */
const ADDED_INPUTS = [
  'image_token_mask',
  'prune_ratio',
  'image_token_scores',
  'image_token_segments',
  'attention_mass',
] as const;
const ADDED_OUTPUTS = ['kept_indices'] as const;

/** What one forward pass adds to the decoder's inputs. */
export interface PruningInputs {
  /** `[batch, sequence]`, 1 at the image tokens of this pass. */
  readonly mask: Uint8Array;
  /** One ratio a stage. */
  readonly ratios: Float32Array;
  /** `[batch, sequence]`, for a graph of the external strategy. */
  readonly scores?: Float32Array;
  /** `[batch, sequence, 3]`: image, row and column of each token, for a graph that tells images apart. */
  readonly segments: () => BigInt64Array;
  /** The share of the attention to keep, and the greatest share of tokens, at every stage. */
  readonly mass: readonly [number, number];
}

/** What a forward pass gave besides its outputs. */
export interface PruningOutputs {
  /** `[batch, kept]`, positions of the pass's sequence. */
  readonly keptIndices: readonly (readonly number[])[];
  readonly outputs: Tensors;
}

/** Finds the pruning inputs of a run by the tensors that are fed, and is told what came out. */
export interface PassLookup {
  inputsFor(feeds: Tensors): PruningInputs | undefined;
  done(feeds: Tensors, result: PruningOutputs): void;
}

/** Wraps the session of a rewritten decoder. */
export function prunedSession(
  session: OrtSession,
  stages: number,
  lookup: PassLookup,
  around: (run: Run) => Run = (run) => run,
): OrtSession {
  const wants = (name: (typeof ADDED_INPUTS)[number]): boolean => session.inputNames.includes(name);
  return wrapRun(
    session,
    (run) =>
      around(async (feeds, ...rest) => {
        const embeds = feeds['inputs_embeds'];
        const [batch = 1, sequence = 0] = embeds?.dims ?? [];
        const given = lookup.inputsFor(feeds);
        // a pass that the plug did not see brings no image tokens that it knows of: prune nothing
        const mask = given?.mask ?? new Uint8Array(batch * sequence);
        if (mask.length !== batch * sequence) {
          throw new FastvError(
            'unsupported-decoder',
            `the call has ${mask.length} input ids, but the decoder is given ${batch} x ${sequence} embeddings`,
            {
              where: 'inputs_embeds',
              hint: 'This family inserts its image features, so its image tokens cannot be found.',
            },
          );
        }
        const Tensor = tensorClass(embeds);
        const added: Record<string, OrtTensor> = {
          image_token_mask: new Tensor('bool', mask, [batch, sequence]),
          prune_ratio: new Tensor('float32', given?.ratios ?? new Float32Array(stages), [stages]),
        };
        if (wants('image_token_scores')) {
          const scores = given?.scores ?? new Float32Array(batch * sequence);
          added['image_token_scores'] = new Tensor('float32', scores, [batch, sequence]);
        }
        if (wants('image_token_segments')) {
          const segments = given?.segments() ?? new BigInt64Array(3 * batch * sequence);
          added['image_token_segments'] = new Tensor('int64', segments, [batch, sequence, 3]);
        }
        if (wants('attention_mass')) {
          const each = Array.from({ length: stages }, () => given?.mass ?? [0, 1]).flat();
          added['attention_mass'] = new Tensor('float32', Float32Array.from(each), [stages, 2]);
        }
        const { kept_indices: kept, ...outputs } = await run({ ...feeds, ...added }, ...rest);
        try {
          lookup.done(feeds, { keptIndices: kept === undefined ? [] : rowsOf(kept), outputs });
        } finally {
          kept?.dispose();
        }
        return outputs;
      }),
    [...ADDED_INPUTS, ...ADDED_OUTPUTS],
  );
}

type TensorClass = new (type: string, data: ArrayBufferView, dims: readonly number[]) => OrtTensor;

/** The tensor class of the ONNX Runtime that Transformers.js runs, taken from a tensor it made. */
function tensorClass(tensor: OrtTensor | undefined): TensorClass {
  if (tensor === undefined) {
    throw new FastvError('unsupported-decoder', 'the decoder was run without inputs_embeds', {
      where: 'inputs_embeds',
    });
  }
  return tensor.constructor as TensorClass;
}

function rowsOf(kept: OrtTensor): number[][] {
  const [batch = 0, count = 0] = kept.dims;
  const data = kept.data as BigInt64Array;
  return Array.from({ length: batch }, (_, row) =>
    Array.from(data.subarray(row * count, (row + 1) * count), Number),
  );
}
