// Decoders that ask which of their tokens see each other both ways (token_type_ids, as `fastv build` makes them): those of an
// image in Gemma 3, those of the whole prompt in PaliGemma. Transformers.js feeds no such thing, so it is fed here, by what
// input_ids and config.json say (`token_type_ids: "prompt"`).
import { imageTokenIds, imageTokenMask } from './image-tokens.js';
import { wrapRun, type Tensors } from './session.js';
import { ortTensorLike, type HfTensor, type OrtSession } from './transformers.js';

const TYPES = 'token_type_ids';

/**
 * A decoder's session that needs not be told; the session itself where it does not ask.
 * @param idsOf the input_ids of a run that brings images; undefined for a decoding step
 */
export function withTokenTypes(
  session: OrtSession,
  config: Readonly<Record<string, unknown>>,
  idsOf: (feeds: Tensors) => HfTensor | undefined,
): OrtSession {
  if (!session.inputNames.includes(TYPES)) return session;
  const images = imageTokenIds(config);
  return wrapRun(
    session,
    (run) =>
      (feeds, ...rest) => {
        const embeds = feeds['inputs_embeds'];
        if (embeds === undefined) return run(feeds, ...rest);
        const [batch = 1, sequence = 0] = embeds.dims;
        const ids = idsOf(feeds);
        const mask =
          ids === undefined
            ? new Uint8Array(batch * sequence)
            : config[TYPES] === 'prompt'
              ? new Uint8Array(batch * sequence).fill(1)
              : imageTokenMask(ids, images);
        const types = ortTensorLike(embeds, 'int64', BigInt64Array.from(mask, BigInt), [batch, sequence]);
        return run({ ...feeds, [TYPES]: types }, ...rest);
      },
    [TYPES],
  );
}
