// Takes the KV caches of some layers out of their attention operators, where they are inside and can be outside, so that
// queries can be fewer than keys there (decoder/attention/cache-outside.ts). The result is the same.
import { attentionOf, type Decoder } from '../decoder/decoder.js';
import { allNames, editModel, Emitter, type NodeProto, type Pass } from '../onnx/index.js';

/** What {@link cachesOutside} did. */
export interface CachesOutside {
  /** The layers whose cache is outside now. */
  readonly layers: readonly number[];
}

/** @throws {FastvError} `unsupported-decoder` for a layer without attention */
export function cachesOutside(decoder: Decoder, layers: readonly number[]): Pass<CachesOutside> {
  const { graph, model, opset } = decoder;
  const emit = new Emitter(opset, allNames(model.graph));
  const replace = new Map<NodeProto, NodeProto>();
  const moved = layers.filter((layer) => {
    const core = attentionOf(decoder, layer);
    const can = core.cacheInside && core.kind.allQueries(core) === undefined;
    const outside = can ? core.kind.cacheOutside?.(emit, graph, core) : undefined;
    if (outside !== undefined) replace.set(core.node, outside);
    return outside !== undefined;
  });
  const changed = moved.length > 0;
  return { model: changed ? editModel(model, { replace, emit }) : model, changed, report: { layers: moved } };
}
