// The one place that puts a model together after an edit: what passes have in common, and what is easily forgotten.
//
// 1. The given model stays as it was; what does not change is shared with it, weights above all.
// 2. Nodes that no output needs are left out, with the constants that were made for them; the rest is sorted.
// 3. Shapes that were declared for tensors of changed nodes are dropped: ONNX Runtime plans memory by them. So are
//    inputs that only declare a changed initialiser once more (before IR version 4).
// 4. ONNX Runtime's own operator set, which new nodes may be of, is imported.
import {
  GraphProtoSchema,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  type TensorProto,
  type ValueInfoProto,
} from './schema.js';
import { MICROSOFT, type Emitter } from './emit.js';
import { GraphView, producersOf, topologicalOrder } from './graph.js';
import { create, withFields } from './message.js';
import type { OnnxModel } from './read.js';

/** What a pass gives: the model, whether it is another one, and what there is to say about it. */
export interface Pass<Report> {
  readonly model: OnnxModel;
  /** Whether {@link model} is another one than the one that was given. */
  readonly changed: boolean;
  readonly report: Report;
}

/** Changes to a model. */
export interface Edit {
  /** What stands in place of a node: another one, several, or none. */
  readonly replace?: ReadonlyMap<NodeProto, NodeProto | readonly NodeProto[]>;
  /** What stands in place of an initialiser. */
  readonly initializers?: ReadonlyMap<TensorProto, TensorProto>;
  /** New nodes and constants. */
  readonly emit?: Emitter;
  /** New constants besides. */
  readonly constants?: readonly TensorProto[];
  /** Declarations in place of those of the same name, or new ones behind them. */
  readonly inputs?: readonly ValueInfoProto[];
  readonly outputs?: readonly ValueInfoProto[];
}

/**
 * The model after an edit.
 * @example
 * // MatMul "lm_head" under another name
 * const replace = new Map([[node, withFields(NodeProtoSchema, node, { name: 'head' })]]);
 * const edited = editModel(model, { replace });
 */
export function editModel(model: OnnxModel, edit: Edit): OnnxModel {
  const { replace = new Map<NodeProto, NodeProto>(), initializers = new Map<TensorProto, TensorProto>() } =
    edit;
  const { graph } = model;
  const output = declared(graph.output, edit.outputs);
  const node = onlyNeeded(
    [...graph.node.flatMap((old) => replace.get(old) ?? [old]), ...(edit.emit?.nodes ?? [])],
    output.map(({ name }) => name),
  );
  const used = new Set([...node.flatMap(needs), ...output.map(({ name }) => name)]);
  const changed = new Set([
    ...[...replace.keys()].flatMap((old) => old.output),
    ...[...initializers.keys()].map(({ name }) => name),
  ]);
  const graphAfter = withFields(GraphProtoSchema, graph, {
    node,
    initializer: [
      ...graph.initializer.map((tensor) => initializers.get(tensor) ?? tensor),
      ...(edit.emit?.initializers ?? []).filter(({ name }) => used.has(name)),
      ...(edit.constants ?? []),
    ],
    input: declared(graph.input, edit.inputs).filter(({ name }) => !changed.has(name)),
    output,
    valueInfo: graph.valueInfo.filter(({ name }) => !changed.has(name)),
  });
  const opsetImport = edit.emit === undefined ? model.opsetImport : withMicrosoft(model.opsetImport);
  return withGraph(withFields(ModelProtoSchema, model, { opsetImport }), graphAfter);
}

/**
 * A model with another graph.
 * @example
 * const edited = withGraph(model, { ...model.graph, name: 'decoder' });
 */
export function withGraph(model: ModelProto, graph: GraphProto): OnnxModel {
  return Object.assign(create(ModelProtoSchema), model, { graph });
}

function needs(node: NodeProto): readonly string[] {
  const captures = GraphView.captures(node);
  return captures.length === 0 ? node.input : [...node.input, ...captures];
}

/** The nodes that tensors need, in topological order. */
function onlyNeeded(nodes: readonly NodeProto[], tensors: readonly string[]): NodeProto[] {
  const producers = producersOf(nodes);
  const needed = new Set<NodeProto>();
  const stack = [...tensors];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const node = producers.get(name);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    for (const input of needs(node)) stack.push(input);
  }
  return topologicalOrder(
    nodes.filter((node) => needed.has(node)),
    needs,
    producers,
  );
}

function declared(old: readonly ValueInfoProto[], changes: readonly ValueInfoProto[] = []): ValueInfoProto[] {
  const byName = new Map(changes.map((info) => [info.name, info]));
  const names = new Set(old.map(({ name }) => name));
  return [
    ...old.map((info) => byName.get(info.name) ?? info),
    ...changes.filter(({ name }) => !names.has(name)),
  ];
}

function withMicrosoft(imports: OperatorSetIdProto[]): OperatorSetIdProto[] {
  return imports.some(({ domain }) => domain === MICROSOFT)
    ? imports
    : [...imports, create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n })];
}
