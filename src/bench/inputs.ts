// What a decoder asks for: its inputs as it declares them, and which of them are states that its outputs carry on.
import type { InferenceSession } from 'onnxruntime-node';
import { FastvError } from '../errors.js';
import { EMBEDS } from '../decoder/contract.js';
import { type Decoder } from '../decoder/decoder.js';

/** One declared input; a string is an axis without a fixed size. */
export interface DeclaredInput {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** A state that goes in and comes out: KV cache, convolution or recurrent state. */
export interface State {
  readonly past: string;
  readonly present: string;
  /** For a KV cache, [batch, KV heads, sequence, head size]: the sizes where the declaration leaves them open. */
  readonly cache: { readonly kvHeads: number | undefined; readonly headSize: number | undefined } | undefined;
}

/** Everything that feeds are built from. */
export interface DecoderInputs {
  readonly inputs: readonly DeclaredInput[];
  /** Width of `inputs_embeds`. */
  readonly hidden: number;
  /** Inputs besides `inputs_embeds` that bring something for every token: [batch, sequence, …]. */
  readonly tokenInputs: ReadonlySet<string>;
  /** By the name of the input. */
  readonly states: ReadonlyMap<string, State>;
}

/**
 * Reads what a session asks for.
 * @param session the decoder itself or its rewritten self
 * @param decoder the original, as the rewrite recognises it
 * @throws {FastvError} `unsupported-decoder` if `inputs_embeds` has no fixed width
 */
export function decoderInputs(session: InferenceSession, decoder: Decoder): DecoderInputs {
  const inputs = session.inputMetadata.map((input): DeclaredInput => {
    if (!input.isTensor) {
      throw new FastvError('unsupported-decoder', `the input "${input.name}" is no tensor`, {
        where: input.name,
        hint: 'Export the decoder with tensors only.',
      });
    }
    return input;
  });
  const hidden = inputs.find(({ name }) => name === EMBEDS)?.shape[2];
  if (typeof hidden !== 'number') {
    throw new FastvError('unsupported-decoder', `"${EMBEDS}" has no fixed width`, {
      where: EMBEDS,
      hint: 'Export the decoder with the shape [batch, sequence, width].',
    });
  }
  const states = decoder.layers.flatMap(({ attention, pastStates, presentStates }) =>
    pastStates.map((past, i): State => {
      const isCache = past === attention?.pastKey || past === attention?.pastValue;
      return { past, present: presentStates[i] ?? '', cache: isCache ? attention : undefined };
    }),
  );
  return {
    inputs,
    hidden,
    tokenInputs: new Set([...decoder.tokenInputs, ...decoder.tokenFacts]),
    states: new Map(states.map((state) => [state.past, state])),
  };
}
