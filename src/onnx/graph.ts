// A view of a graph: who produces a tensor, who uses it, in which order. Subgraphs (If, Loop, Scan bodies) count as
// part of the node that holds them: what a body takes from outside is an input of that node.
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  NodeProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './schema.js';
import { FastvError } from '../errors.js';
import { withFields } from './message.js';
import { readInts } from './tensor.js';

/**
 * A read-only view of a {@link GraphProto}, checked when it is made.
 * @example
 * const view = new GraphView(decodeModel(bytes).graph);
 * const producer = view.producer('logits');
 */
export class GraphView {
  readonly graph: GraphProto;
  /** The nodes in topological order. */
  readonly nodes: readonly NodeProto[];
  readonly initializers: ReadonlyMap<string, TensorProto>;
  readonly inputs: ReadonlyMap<string, ValueInfoProto>;
  readonly outputs: ReadonlyMap<string, ValueInfoProto>;
  readonly #producers = new Map<string, NodeProto>();
  readonly #consumers = new Map<string, NodeProto[]>();
  readonly #firstNames = new Map<string, string>();
  readonly #captures = new Map<NodeProto, readonly string[]>();
  /** What each node depends on. */
  readonly #needs = new Map<NodeProto, readonly string[]>();
  readonly #places: ReadonlyMap<NodeProto, number>;

  /** @throws {FastvError} `malformed-model` for a cycle, a tensor that two nodes produce, or one that none does */
  constructor(graph: GraphProto) {
    this.graph = graph;
    this.initializers = new Map([
      ...graph.initializer.map((tensor) => [tensor.name, tensor] as const),
      ...graph.sparseInitializer.flatMap(({ values }) =>
        values === undefined ? [] : [[values.name, values] as const],
      ),
    ]);
    // Before IR version 4 initialisers were listed among the inputs as well.
    this.inputs = new Map(
      graph.input.filter(({ name }) => !this.initializers.has(name)).map((v) => [v.name, v]),
    );
    this.outputs = new Map(graph.output.map((v) => [v.name, v]));
    for (const node of graph.node) {
      for (const output of node.output) {
        if (output === '') continue;
        if (this.#producers.has(output) || this.inputs.has(output) || this.initializers.has(output)) {
          throw new FastvError('malformed-model', `the tensor "${output}" is defined twice`, {
            where: label(node),
          });
        }
        this.#producers.set(output, node);
      }
      const captures = GraphView.captures(node);
      if (captures.length > 0) this.#captures.set(node, captures);
      this.#needs.set(node, needsOf(node, captures));
    }
    for (const node of graph.node) {
      for (const input of new Set(this.inputsOf(node))) {
        if (!this.#producers.has(input) && !this.inputs.has(input) && !this.initializers.has(input)) {
          throw new FastvError('malformed-model', `the tensor "${input}" is used but never defined`, {
            where: label(node),
          });
        }
        const list = this.#consumers.get(input);
        if (list === undefined) this.#consumers.set(input, [node]);
        else list.push(node);
      }
    }
    for (const name of this.outputs.keys()) {
      if (!this.#producers.has(name) && !this.inputs.has(name) && !this.initializers.has(name)) {
        throw new FastvError('malformed-model', `the output "${name}" is never computed`, { where: name });
      }
    }
    this.nodes = topologicalOrder(graph.node, (node) => this.inputsOf(node), this.#producers);
    this.#places = new Map(this.nodes.map((node, i) => [node, i]));
  }

  /** Some of the nodes, in topological order. */
  inOrder(nodes: Iterable<NodeProto>): NodeProto[] {
    return [...nodes].sort((a, b) => (this.#places.get(a) ?? 0) - (this.#places.get(b) ?? 0));
  }

  /** The node that computes a tensor; undefined for graph inputs and initialisers. */
  producer(tensor: string): NodeProto | undefined {
    return this.#producers.get(tensor);
  }

  /** The nodes that use a tensor, each once. */
  consumers(tensor: string): readonly NodeProto[] {
    return this.#consumers.get(tensor) ?? [];
  }

  /** What a node depends on: its inputs without the empty ones, and what its subgraphs take from outside. */
  inputsOf(node: NodeProto): readonly string[] {
    return this.#needs.get(node) ?? needsOf(node, GraphView.captures(node));
  }

  /** What the subgraphs of one of this graph's nodes take from outside. */
  capturesOf(node: NodeProto): readonly string[] {
    return this.#captures.get(node) ?? [];
  }

  /** What any node's subgraphs take from outside. */
  static captures(node: NodeProto): readonly string[] {
    return [...capturesOf(node)];
  }

  /** The values of a small integer constant: an initialiser or a Constant node; undefined if it is computed. */
  constantInts(tensor: string): number[] | undefined {
    const name = this.#unnamed(tensor);
    const node = this.producer(name);
    const initializer = this.initializers.get(name);
    if (initializer !== undefined) return readInts(initializer);
    if (node?.opType !== 'Constant') return undefined;
    for (const attribute of node.attribute) {
      if (attribute.name === 'value' && attribute.t !== undefined) return readInts(attribute.t);
      if (attribute.name === 'value_ints') return attribute.ints.map(Number);
      if (attribute.name === 'value_int') return [Number(attribute.i)];
    }
    return undefined;
  }

  /** What a tensor is under its first name, before Identity gave it others. A chain of them is walked once. */
  #unnamed(tensor: string): string {
    const names: string[] = [];
    let name = tensor;
    for (;;) {
      const known = this.#firstNames.get(name);
      const node = known === undefined ? this.producer(name) : undefined;
      if (node?.opType !== 'Identity') {
        const first = known ?? name;
        for (const passed of names) this.#firstNames.set(passed, first);
        return first;
      }
      names.push(name);
      [name = ''] = node.input;
    }
  }

  /** The tensor that another one comes from, through nodes that hand their first input on. */
  upstream(tensor: string, through: (node: NodeProto) => boolean): string {
    let name = tensor;
    for (let node = this.producer(name); node !== undefined && through(node); node = this.producer(name)) {
      [name = ''] = node.input;
    }
    return name;
  }

  /** The nearest node that `wanted` accepts among the users of a node's results, through nodes that `through` accepts. */
  downstream(
    from: NodeProto,
    wanted: (node: NodeProto) => boolean,
    through: (node: NodeProto) => boolean,
  ): NodeProto | undefined {
    const seen = new Set<NodeProto>();
    let front: readonly NodeProto[] = [from];
    while (front.length > 0) {
      const next = front.flatMap((node) => node.output.flatMap((output) => this.consumers(output)));
      const found = next.find(wanted);
      if (found !== undefined) return found;
      // Each node once: paths that part and meet again would double the front at every turn.
      front = [...new Set(next)].filter((node) => through(node) && !seen.has(node));
      for (const node of front) seen.add(node);
    }
    return undefined;
  }

  /** The nodes that the given tensors depend on, the producers of the tensors included. */
  ancestors(tensors: Iterable<string>): Set<NodeProto> {
    const seen = new Set<NodeProto>();
    const stack = [...tensors];
    for (let tensor = stack.pop(); tensor !== undefined; tensor = stack.pop()) {
      const node = this.#producers.get(tensor);
      if (node === undefined || seen.has(node)) continue;
      seen.add(node);
      for (const input of this.inputsOf(node)) stack.push(input);
    }
    return seen;
  }
}

/**
 * Whether a node is of one of some types: a condition for walks through a graph.
 * @example
 * const views = inSet(new Set(['Reshape', 'Transpose']));
 * const first = view.nodes.find(views);
 */
export function inSet(opTypes: ReadonlySet<string>): (node: NodeProto) => boolean {
  return ({ opType }) => opTypes.has(opType);
}

/**
 * How errors name a node.
 * @example
 * label(node); // MatMul "/model/layers.0/mlp/down_proj/MatMul"
 */
export function label(node: NodeProto): string {
  const name = node.name === '' ? (node.output[0] ?? '') : node.name;
  return `${node.opType} "${name}"`;
}

/** What a node's result depends on, without the inputs that it leaves out. */
function needsOf({ input }: NodeProto, captures: readonly string[]): readonly string[] {
  if (captures.length === 0 && !input.includes('')) return input;
  return [...input.filter((name) => name !== ''), ...captures];
}

/** Which node gives each tensor. */
export function producersOf(nodes: readonly NodeProto[]): Map<string, NodeProto> {
  const producers = new Map<string, NodeProto>();
  for (const node of nodes) for (const output of node.output) if (output !== '') producers.set(output, node);
  return producers;
}

/**
 * Sorts nodes so that each stands after what it needs; nodes that are already in order keep their order.
 * @param producer which node gives each tensor
 * @throws {FastvError} `malformed-model` if there is a cycle
 * @example
 * const sorted = topologicalOrder(graph.node, ({ input }) => input);
 */
export function topologicalOrder(
  nodes: readonly NodeProto[],
  inputsOf: (node: NodeProto) => readonly string[],
  producer: ReadonlyMap<string, NodeProto> = producersOf(nodes),
): NodeProto[] {
  const sorted: NodeProto[] = [];
  const state = new Map<NodeProto, 'open' | 'done'>();
  // Depth first with an explicit stack: a hostile graph may be deeper than the call stack.
  for (const root of nodes) {
    const stack: { node: NodeProto; needs: Iterator<string> }[] = [];
    const enter = (node: NodeProto): void => {
      state.set(node, 'open');
      stack.push({ node, needs: inputsOf(node)[Symbol.iterator]() });
    };
    if (!state.has(root)) enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.needs.next();
      if (next.done === true) {
        state.set(top.node, 'done');
        sorted.push(top.node);
        stack.pop();
        continue;
      }
      const needed = producer.get(next.value);
      if (needed === undefined || state.get(needed) === 'done') continue;
      if (state.get(needed) === 'open') {
        throw new FastvError('malformed-model', 'the graph has a cycle', { where: label(needed) });
      }
      enter(needed);
    }
  }
  return sorted;
}

/**
 * The names of every tensor in a graph and its subgraphs, used or defined.
 * @example
 * const taken = new Set(allNames(model.graph));
 */
export function* allNames(graph: GraphProto): Generator<string> {
  for (const value of [...graph.input, ...graph.output, ...graph.valueInfo]) yield value.name;
  for (const tensor of graph.initializer) yield tensor.name;
  for (const { values } of graph.sparseInitializer) yield values?.name ?? '';
  for (const node of graph.node) {
    yield* node.output;
    yield* node.input;
    yield node.name;
    for (const body of subgraphs(node)) yield* allNames(body);
  }
}

/**
 * The graphs in a node's attributes: branches of an If, bodies of a Loop or a Scan.
 * @example
 * const inside = subgraphs(node).flatMap((body) => body.node);
 */
export function subgraphs(node: NodeProto): readonly GraphProto[] {
  if (!node.attribute.some(hasGraphs)) return [];
  return node.attribute.flatMap((a) => (a.g === undefined ? a.graphs : [a.g, ...a.graphs]));
}

function hasGraphs({ g, graphs }: AttributeProto): boolean {
  return g !== undefined || graphs.length > 0;
}

/** No exporter nests deeper; a file cannot either, but a graph made in memory could exhaust the call stack. */
const MAX_NESTING = 64;

const NONE: ReadonlySet<string> = new Set();

/** The tensors that a node's subgraphs use and do not define themselves. */
function capturesOf(node: NodeProto, depth = 0): ReadonlySet<string> {
  const bodies = subgraphs(node);
  if (bodies.length === 0) return NONE;
  if (depth > MAX_NESTING) {
    throw new FastvError('malformed-model', `graphs are nested more than ${MAX_NESTING} deep`, {
      where: label(node),
    });
  }
  const captured = new Set<string>();
  for (const body of bodies) {
    const defined = new Set([
      ...body.input.map(({ name }) => name),
      ...body.initializer.map(({ name }) => name),
      ...body.node.flatMap(({ output }) => output),
    ]);
    const used = body.node.flatMap((inner) => [...inner.input, ...capturesOf(inner, depth + 1)]);
    for (const name of [...used, ...body.output.map((value) => value.name)]) {
      if (name !== '' && !defined.has(name)) captured.add(name);
    }
  }
  return captured;
}

/**
 * A node that takes its inputs, and what its subgraphs take from outside, under other names; itself if none changes.
 * @example
 * const renamed = renameInputs(node, (tensor) => (tensor === 'hidden' ? 'kept_hidden' : tensor));
 */
export function renameInputs(node: NodeProto, rename: (tensor: string) => string): NodeProto {
  const input = node.input.map((name) => (name === '' ? '' : rename(name)));
  const bodies = node.attribute.some(hasGraphs);
  if (!bodies && input.every((name, i) => name === node.input[i])) return node;
  if (!bodies) return withFields(NodeProtoSchema, node, { input });
  return withFields(NodeProtoSchema, node, {
    input,
    attribute: node.attribute.map((a) =>
      withFields(AttributeProtoSchema, a, {
        ...(a.g === undefined ? {} : { g: withCaptures(a.g, rename) }),
        graphs: a.graphs.map((body) => withCaptures(body, rename)),
      }),
    ),
  });
}

function withCaptures(body: GraphProto, rename: (tensor: string) => string): GraphProto {
  const own = new Set([
    ...body.input.map(({ name }) => name),
    ...body.initializer.map(({ name }) => name),
    ...body.node.flatMap(({ output }) => output),
  ]);
  const outside = (name: string): string => (own.has(name) ? name : rename(name));
  return withFields(GraphProtoSchema, body, {
    node: body.node.map((node) => renameInputs(node, outside)),
    output: body.output.map((value) =>
      withFields(ValueInfoProtoSchema, value, { name: outside(value.name) }),
    ),
  });
}
