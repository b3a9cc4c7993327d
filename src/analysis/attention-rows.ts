/**
 * A decoder that tells, besides what it tells anyway, how much attention the last token pays to every
 * token in every layer: outputs `attention_row.<layer>`, float32 [batch, total], after softmax, mean over
 * heads. Only the rows are computed, no attention map is materialised.
 */
import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema, type ModelProto } from 'onnx-buf';
import {
  allNames,
  DataType,
  Emitter,
  GraphView,
  MICROSOFT,
  topologicalOrder,
  type OnnxModel,
} from '../onnx/index.js';
import { valueInfo } from '../onnx/value-info.js';
import { ATTENTION_MASK, attentionOf, EMBEDS, recogniseDecoder } from '../decoder/decoder.js';
import { inOpPositions } from '../rewrite/rotation.js';
import { lastRowAttention } from '../rewrite/tap.js';

/** The output of a layer. */
export function rowName(layer: number): string {
  return `attention_row.${layer}`;
}

/**
 * Adds the rows of all layers to a decoder, which is not changed itself.
 * @throws FastvError `unsupported-decoder` as the rewrite does
 */
export function withAttentionRows(model: OnnxModel): { readonly model: ModelProto; readonly layers: number } {
  const decoder = recogniseDecoder(model);
  const emit = new Emitter(decoder.opset, allNames(model.graph));
  const nodes = [...decoder.graph.nodes];
  for (const { index } of decoder.layers) {
    const core = attentionOf(decoder, index);
    const row = lastRowAttention({
      emit,
      graph: decoder.graph,
      core,
      node: core.node,
      mask: ATTENTION_MASK,
      positions: () => inOpPositions(emit, core.node, EMBEDS),
    });
    emit.op('Identity', [row]);
    const last = emit.nodes.at(-1);
    if (last !== undefined) last.output = [rowName(index)];
  }
  const needs = (node: (typeof nodes)[number]): readonly string[] => [
    ...node.input,
    ...GraphView.captures(node),
  ];
  const graph = create(GraphProtoSchema, {
    ...model.graph,
    node: topologicalOrder([...nodes, ...emit.nodes], needs),
    initializer: [...model.graph.initializer, ...emit.initializers],
    output: [
      ...model.graph.output,
      ...decoder.layers.map(({ index }) =>
        valueInfo(rowName(index), DataType.FLOAT, ['batch_size', 'attended_length']),
      ),
    ],
  });
  const opsetImport = model.opsetImport.some(({ domain }) => domain === MICROSOFT)
    ? model.opsetImport
    : [...model.opsetImport, create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n })];
  return {
    model: Object.assign(create(ModelProtoSchema), { ...model, opsetImport, graph }),
    layers: decoder.layers.length,
  };
}
