// What only serves to choose tokens is done only in calls that bring image tokens: the scores and the selection of each
// stage go into a branch of an If. A decoding step takes the other branch, which keeps all there is. It would compute a
// row of attention for nothing otherwise, and on a GPU wait at the cut for what it gives, as the original does nowhere.
import { EMBEDS, IMAGE_TOKEN_MASK } from '../decoder/contract.js';
import {
  create,
  DataType,
  GraphProtoSchema,
  GraphView,
  NodeProtoSchema,
  TypeProtoSchema,
  valueInfo,
  ValueInfoProtoSchema,
  withFields,
  withGraph,
  type Emitter,
  type GraphProto,
  type NodeProto,
  type OnnxModel,
} from '../onnx/index.js';

/**
 * A rewritten decoder that chooses in calls with image tokens only.
 * @param names what made its nodes
 * @param choices what each stage keeps, computed in every call: names of int64 tensors [batch, kept]
 */
export function chooseAmongImages(model: OnnxModel, names: Emitter, choices: readonly string[]): OnnxModel {
  const { graph } = model;
  const emit = names.beside();
  const images = emit.reduce('ReduceMax', emit.ones(IMAGE_TOKEN_MASK), [0, 1], false);
  const any = emit.op('Greater', [images, emit.int(0)]);
  const shape = emit.concat([emit.dim1(EMBEDS, 0), emit.dim1(EMBEDS, 1)], 0);
  const all = emit.op('Expand', [emit.range(emit.dim(EMBEDS, 1)), shape]);
  // made of the call's inputs alone, they may stand first
  const first = [...emit.nodes];
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
  const users = usersOf(graph);
  // What stands in the place of a node; what gives a choice comes behind all that the branch takes from outside.
  const replace = new Map<NodeProto, readonly NodeProto[]>();
  for (const indices of choices) {
    const nodes = onlyFor(graph, users, indices);
    const chosen = emit.fresh('chosen');
    const then = nodes.map((node) =>
      withFields(NodeProtoSchema, node, {
        output: node.output.map((name) => (name === indices ? chosen : name)),
      }),
    );
    const before = emit.nodes.length;
    const sequence = emit.op('If', [any], {
      attributes: {
        then_branch: branch('choose', then, chosen),
        else_branch: branch('keep_all', [], all),
      },
    });
    emit.op('SequenceAt', [sequence, emit.int(0)], { output: indices });
    for (const node of nodes)
      replace.set(node, node.output.includes(indices) ? emit.nodes.slice(before) : []);
  }
  const inside = new Set([...replace.keys()].flatMap(({ output }) => output));
  // A sequence tells nothing of its tensors' axes, and ONNX Runtime takes GroupQueryAttention for one with packed inputs
  // where it knows the axes of its query and not of its values.
  const declared = choices.map((name, i) =>
    valueInfo(name, DataType.INT64, ['fastv_batch', `fastv_chosen_${i}`]),
  );
  return withGraph(
    model,
    withFields(GraphProtoSchema, graph, {
      node: [...first, ...graph.node.flatMap((node) => replace.get(node) ?? [node])],
      initializer: [...graph.initializer, ...emit.initializers],
      valueInfo: [...graph.valueInfo.filter(({ name }) => !inside.has(name)), ...declared],
    }),
  );
}

/** A sequence of int64 tensors. */
const INDICES = create(TypeProtoSchema, {
  value: {
    case: 'sequenceType',
    value: { elemType: { value: { case: 'tensorType', value: { elemType: DataType.INT64 } } } },
  },
});

/** Which nodes take a tensor, as an input or in a body; the graph's outputs are taken by nobody that could be moved. */
function usersOf(graph: GraphProto): ReadonlyMap<string, readonly (NodeProto | undefined)[]> {
  const users = new Map<string, (NodeProto | undefined)[]>(
    graph.output.map(({ name }) => [name, [undefined]]),
  );
  for (const node of graph.node) {
    for (const name of [...node.input, ...GraphView.captures(node)]) {
      const list = users.get(name);
      if (list === undefined) users.set(name, [node]);
      else list.push(node);
    }
  }
  return users;
}

/** The nodes of a sorted graph whose results nothing else needs, that which gives the tensor included. */
function onlyFor(
  graph: GraphProto,
  users: ReadonlyMap<string, readonly (NodeProto | undefined)[]>,
  tensor: string,
): NodeProto[] {
  const found = new Set<NodeProto | undefined>();
  const nodes: NodeProto[] = [];
  for (let i = graph.node.findIndex(({ output }) => output.includes(tensor)); i >= 0; i--) {
    const node = graph.node[i];
    if (node === undefined) continue;
    const used = node.output.flatMap((name) => (name === '' ? [] : (users.get(name) ?? [])));
    const own = node.output.includes(tensor) || (used.length > 0 && used.every((user) => found.has(user)));
    if (!own) continue;
    found.add(node);
    nodes.push(node);
  }
  return nodes.reverse();
}
