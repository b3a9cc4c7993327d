// What only serves to choose tokens is done only in calls that bring image tokens: the scores and the selection of each
// stage go into a branch of an If. A decoding step takes the other branch, which keeps all there is. It would compute a
// row of attention for nothing otherwise, and on a GPU wait at the cut for what it gives, as the original does nowhere.
import { create } from '@bufbuild/protobuf';
import {
  GraphProtoSchema,
  NodeProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type GraphProto,
  type NodeProto,
} from 'onnx-buf';
import { EMBEDS, IMAGE_TOKEN_MASK } from '../decoder/contract.js';
import {
  allNames,
  DataType,
  editModel,
  Emitter,
  GraphView,
  valueInfo,
  withGraph,
  withFields,
  type OnnxModel,
} from '../onnx/index.js';

/**
 * A rewritten decoder that chooses in calls with image tokens only.
 * @param choices what each stage keeps, computed in every call: names of int64 tensors [batch, kept]
 */
export function chooseAmongImages(model: OnnxModel, opset: number, choices: readonly string[]): OnnxModel {
  const graph = new GraphView(model.graph);
  const emit = new Emitter(opset, allNames(model.graph));
  const images = emit.reduce('ReduceMax', emit.ones(IMAGE_TOKEN_MASK), [0, 1], false);
  const any = emit.op('Greater', [images, emit.int(0)]);
  const shape = emit.concat([emit.dim1(EMBEDS, 0), emit.dim1(EMBEDS, 1)], 0);
  const all = emit.op('Expand', [emit.range(emit.dim(EMBEDS, 1)), shape]);
  // Indices are counted with on the processor. An If of tensors runs on a GPU, and what it gives would have to be copied
  // back; one of sequences stays where it is, so each branch gives its indices as a sequence of one.
  const branch = (name: string, node: readonly NodeProto[], tensor: string): GraphProto => {
    const output = emit.fresh('sequence');
    const sequence = create(NodeProtoSchema, {
      opType: 'SequenceConstruct',
      name: emit.fresh('SequenceConstruct/node'),
      input: [tensor],
      output: [output],
    });
    return create(GraphProtoSchema, {
      name: emit.fresh(name),
      node: [...node, sequence],
      output: [create(ValueInfoProtoSchema, { name: output, type: INDICES })],
    });
  };
  const replace = new Map<NodeProto, readonly NodeProto[]>();
  for (const indices of choices) {
    const nodes = onlyFor(graph, indices);
    const chosen = emit.fresh('chosen');
    const then = nodes.map((node) =>
      withFields(NodeProtoSchema, node, {
        output: node.output.map((name) => (name === indices ? chosen : name)),
      }),
    );
    for (const node of nodes) replace.set(node, []);
    const sequence = emit.op('If', [any], {
      attributes: {
        then_branch: branch('choose', then, chosen),
        else_branch: branch('keep_all', [], all),
      },
    });
    emit.op('SequenceAt', [sequence, emit.int(0)], { output: indices });
  }
  // A sequence tells nothing of its tensors' axes, and ONNX Runtime takes GroupQueryAttention for one with packed inputs
  // where it knows the axes of its query and not of its values.
  const result = editModel(model, { replace, emit });
  const declared = choices.map((name, i) =>
    valueInfo(name, DataType.INT64, ['fastv_batch', `fastv_chosen_${i}`]),
  );
  const valueInfos = [...result.graph.valueInfo, ...declared];
  return withGraph(result, withFields(GraphProtoSchema, result.graph, { valueInfo: valueInfos }));
}

/** A sequence of int64 tensors. */
const INDICES = create(TypeProtoSchema, {
  value: {
    case: 'sequenceType',
    value: { elemType: { value: { case: 'tensorType', value: { elemType: DataType.INT64 } } } },
  },
});

/** The nodes whose results nothing else needs, that which gives the tensor included. */
function onlyFor(graph: GraphView, tensor: string): NodeProto[] {
  const found = new Set<NodeProto>();
  for (const node of graph.inOrder(graph.ancestors([tensor])).reverse()) {
    const { output } = node;
    const own =
      output.includes(tensor) ||
      output.every(
        (name) => !graph.outputs.has(name) && graph.consumers(name).every((user) => found.has(user)),
      );
    if (own) found.add(node);
  }
  return graph.inOrder(found);
}
