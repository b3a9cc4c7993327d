/**
 * A decoder that tells, besides what it tells anyway, how much attention the last token pays to every
 * token in every layer: outputs `attention_row.<layer>`, float32 [batch, total], after softmax, mean over
 * heads. Only the rows are computed, no attention map is materialised.
 */
import {
  allNames,
  DataType,
  editModel,
  Emitter,
  valueInfo,
  type OnnxModel,
  type Pass,
} from '../onnx/index.js';
import { lastRowAttention } from '../decoder/attention/rows.js';
import { ATTENTION_MASK } from '../decoder/contract.js';
import { attentionOf, recogniseDecoder } from '../decoder/decoder.js';

/** The output of a layer. */
export function rowName(layer: number): string {
  return `attention_row.${layer}`;
}

/** What {@link withAttentionRows} did. */
export interface AttentionRows {
  /** How many layers tell. */
  readonly layers: number;
}

/**
 * Adds the rows of all layers to a decoder, which is not changed itself.
 * @throws FastvError `unsupported-decoder` as the rewrite does
 */
export function withAttentionRows(model: OnnxModel): Pass<AttentionRows> {
  const decoder = recogniseDecoder(model);
  const { graph } = decoder;
  const report = { layers: decoder.layers.length };
  if (graph.outputs.has(rowName(0))) return { model, changed: false, report };
  const emit = new Emitter(decoder.opset, allNames(model.graph));
  for (const { index } of decoder.layers) {
    const core = attentionOf(decoder, index);
    const positions = (): string => core.kind.positions?.(emit, graph, core) ?? '';
    const row = lastRowAttention({ emit, graph, core, node: core.node, mask: ATTENTION_MASK, positions });
    emit.op('Identity', [row], { output: rowName(index) });
  }
  const outputs = decoder.layers.map(({ index }) =>
    valueInfo(rowName(index), DataType.FLOAT, ['batch_size', 'attended_length']),
  );
  return { model: editModel(model, { emit, outputs }), changed: true, report };
}
