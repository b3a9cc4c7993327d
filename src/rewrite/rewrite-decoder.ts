// The rewrite with a strategy by its name, in either mode.
import type { Decoder } from '../decoder/decoder.js';
import type { OnnxModel, Pass } from '../onnx/index.js';
import { FastvError } from '../errors.js';
import { DEFAULT_STRATEGY, findStrategy, sharedOut, type PerImage } from '../strategies/index.js';
import { visibleTokens } from './mask.js';
import type { RewriteOptions, RewriteReport } from './options.js';
import { rewriteBy } from './rewrite.js';

/**
 * Rewrites a decoder (docs/graph-contract.md says what the result promises).
 * @param recognised what `recogniseDecoder` made of the model, where it was called already
 * @throws {FastvError} `unsupported-decoder` with the node that was not understood and what was expected;
 *   `malformed-model` for a graph that contradicts itself; `invalid-option` for a K that is out of range
 * @example
 * const { model } = rewriteDecoder(decodeModel(bytes), { stages: [{ layer: 2 }] });
 * await writeFile('pruned.onnx', concatChunks(encodeModel(model)));
 */
export function rewriteDecoder(
  model: OnnxModel,
  options: RewriteOptions,
  recognised?: Decoder,
): Pass<RewriteReport> {
  const perImage = checkPerImage(options.perImage);
  return rewriteBy(findStrategy(options.strategy ?? DEFAULT_STRATEGY), model, options, {
    ...(recognised && { recognised }),
    ...(options.mode === 'mask' && { masked: visibleTokens }),
    ...(perImage && { sharing: { perImage, sharedOut } }),
  });
}

/** From JavaScript, anything may come. */
function checkPerImage(given: unknown): PerImage | undefined {
  if (given === undefined || given === 'even' || given === 'attention') return given;
  throw new FastvError('invalid-option', `images cannot share ${JSON.stringify(given)}`, {
    where: 'perImage',
    hint: "Choose 'even' or 'attention', or leave it out.",
  });
}
