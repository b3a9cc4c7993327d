// Makes nodes: fresh names, attributes by JavaScript value, and the differences between opsets in one place.
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
} from './schema.js';
import { allNames, renameInputs } from './graph.js';
import { create, withFields } from './message.js';
import { DataType, doubleTensor, floatTensor, int64Tensor } from './tensor.js';

/** The contrib domain of ONNX Runtime. */
export const MICROSOFT = 'com.microsoft';

/** An attribute's value: integers as bigint, floats as number, so that `1` cannot be taken for `1.0`. */
export type AttributeValue = bigint | number | string | readonly bigint[] | TensorProto | GraphProto;

/** What a node has besides its operator and its inputs. */
export interface OpOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** How many outputs the node has; 1 unless given. */
  readonly outputs?: number;
  /** The name of its first output; a fresh one unless given. */
  readonly output?: string;
}

/**
 * What nodes are called that are to run on the processor wherever the rest runs. A Loop's turns cross from a GPU and back at
 * every node that has no kernel there, and wait for it each time; whoever opens a session on WebGPU names these nodes to it
 * (`forceCpuNodeNames`).
 */
export const ON_PROCESSOR = 'fastv/processor/';

/**
 * Collects new nodes and constants for a graph.
 * @example
 * const emit = new Emitter(opsetOf(model), allNames(model.graph));
 * const doubled = emit.op('Mul', ['logits', emit.float(2)]);
 * const edited = editModel(model, { emit, outputs: [valueInfo(doubled, DataType.FLOAT)] });
 */
export class Emitter {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[];
  readonly #opset: number;
  readonly #taken: Set<string>;
  /** The next number to try for each base of a fresh name. */
  readonly #numbers: Map<string, number>;
  readonly #constants: Map<string, string>;
  readonly #made = new Map<string, readonly string[]>();
  /** In the body of a loop: what makes the nodes around it. */
  readonly #outer: Emitter | undefined;
  /** Tensors that are made here; in the body of a loop, those that differ from turn to turn. */
  readonly #own = new Set<string>();
  /** Whether what is made now is to run on the processor. */
  #onProcessor = false;

  /**
   * @param opset version of the default domain; at least 13
   * @param taken every name already in use; grows with what is made here
   * @param outer for the body of a subgraph: the emitter around it, with which it shares names and constants
   * @param beside one for the same graph, with which it shares names only
   */
  constructor(opset: number, taken: Iterable<string>, outer?: Emitter, beside: Emitter | undefined = outer) {
    this.#opset = opset;
    this.#outer = outer;
    this.#taken = beside === undefined ? new Set(taken) : beside.#taken;
    this.#numbers = beside === undefined ? new Map<string, number>() : beside.#numbers;
    this.#constants = outer === undefined ? new Map<string, string>() : outer.#constants;
    this.initializers = outer === undefined ? [] : outer.initializers;
  }

  /** Another one for the same graph: its nodes and constants are its own, its names those that this one has not. */
  beside(): Emitter {
    return new Emitter(this.#opset, [], undefined, this);
  }

  /**
   * What `make` emits is to run on the processor, wherever the rest runs ({@link ON_PROCESSOR}): small things that are done
   * one after another. The body of a loop is, and what it takes from outside should be made so too: from a GPU it would
   * be copied at every turn.
   */
  onProcessor<T>(make: () => T): T {
    return this.#placed(true, make);
  }

  /** Within {@link onProcessor}: what `make` emits runs wherever the rest does, large products say. */
  onDevice<T>(make: () => T): T {
    return this.#placed(false, make);
  }

  #placed<T>(onProcessor: boolean, make: () => T): T {
    const before = this.#onProcessor;
    this.#onProcessor = onProcessor;
    try {
      return make();
    } finally {
      this.#onProcessor = before;
    }
  }

  /** A name that nothing in the graph has yet. */
  fresh(base: string): string {
    let number = this.#numbers.get(base) ?? 0;
    let name = '';
    do {
      name = number === 0 ? `fastv/${base}` : `fastv/${base}_${number}`;
      number++;
    } while (this.#taken.has(name));
    this.#numbers.set(base, number);
    this.#taken.add(name);
    return name;
  }

  /** Adds a node with one output; returns the output's name. */
  op(opType: string, inputs: readonly string[], options: Omit<OpOptions, 'outputs'> = {}): string {
    const [output] = this.ops(opType, inputs, options);
    return output ?? '';
  }

  /** Adds a node with several outputs. */
  ops(opType: string, inputs: readonly string[], options: OpOptions = {}): readonly string[] {
    const { domain = '', attributes = {}, outputs = 1, output: named } = options;
    const given = Object.entries(attributes);
    if (this.#outer !== undefined) {
      // What is the same at every turn of a loop is made once, before it.
      const names = [...inputs, ...given.flatMap(([, value]) => namesIn(value))];
      if (!names.some((name) => this.#own.has(name))) return this.#outer.ops(opType, inputs, options);
    }
    // Every op used here is a function of its inputs, so the same node need not be made twice, but under a given name.
    const key = [
      this.#onProcessor,
      opType,
      domain,
      outputs,
      given.length === 0 ? '' : JSON.stringify(given, withBigints),
      ...inputs,
    ].join('\0');
    const made = this.#made.get(key);
    if (made !== undefined && named === undefined) return made;
    const output = Array.from({ length: outputs }, (_, i) =>
      i === 0 && named !== undefined ? named : this.fresh(opType),
    );
    this.nodes.push(
      create(NodeProtoSchema, {
        opType,
        domain,
        name: this.fresh(this.#onProcessor ? `processor/${opType}/node` : `${opType}/node`),
        input: [...inputs],
        output,
        attribute: given.map(([name, value]) => attribute(name, value)),
      }),
    );
    this.#made.set(key, output);
    for (const name of output) this.#own.add(name);
    return output;
  }

  /** What makes the nodes of a body: a subgraph of a node of this one, done on the processor. */
  body(): Emitter {
    const inner = new Emitter(this.#opset, [], this);
    inner.#onProcessor = true;
    return inner;
  }

  /** A fresh name of a tensor that a body is given. */
  taken(base: string): string {
    const name = this.fresh(base);
    this.#own.add(name);
    return name;
  }

  /** Adds a copy of a node with other inputs and fresh outputs; returns the new outputs by the old ones. */
  copy(node: NodeProto, rename: (tensor: string) => string): Map<string, string> {
    const outputs = new Map(
      node.output.filter((name) => name !== '').map((name) => [name, this.fresh(name)]),
    );
    const copy = withFields(NodeProtoSchema, renameInputs(node, rename), {
      name: this.fresh(node.name === '' ? node.opType : node.name),
      output: node.output.map((name) => outputs.get(name) ?? ''),
    });
    this.nodes.push(copy);
    for (const name of copy.output) this.#own.add(name);
    return outputs;
  }

  /** An int64 constant of one axis. */
  ints(...values: number[]): string {
    return this.#constant(`int64/${values.join('_')}`, () => int64Tensor(values));
  }

  /** An int64 scalar. */
  int(value: number): string {
    return this.#constant(`int64/scalar_${value}`, () => int64Tensor([value], []));
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.#constant(`float/${value}`, () => floatTensor([value], []));
  }

  /** A float64 scalar. */
  double(value: number): string {
    return this.#constant(`double/${value}`, () => doubleTensor([value], []));
  }

  #constant(key: string, make: () => TensorProto): string {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.fresh(`constant/${key}`);
    this.initializers.push(Object.assign(make(), { name }));
    this.#constants.set(key, name);
    return name;
  }

  // The ops that the rewrite uses, in the form that this opset has.

  cast(x: string, to: DataType): string {
    return this.op('Cast', [x], { attributes: { to: BigInt(to) } });
  }

  /** A tensor in float32, in which scores are computed whatever the model's type is. */
  castToFloat(x: string): string {
    return this.cast(x, DataType.FLOAT);
  }

  castToInt64(x: string): string {
    return this.cast(x, DataType.INT64);
  }

  /** 1 where a bool tensor is true and 0 elsewhere: int64. Unlike a Cast, it runs where int64 does, so that no GPU is left for it. */
  ones(x: string): string {
    return this.op('Where', [x, this.int(1), this.int(0)]);
  }

  castToBool(x: string): string {
    return this.cast(x, DataType.BOOL);
  }

  /** One entry of a tensor's shape, as an int64 scalar. */
  dim(x: string, axis: number): string {
    return this.op('Gather', [this.op('Shape', [x]), this.int(axis)], { attributes: { axis: 0n } });
  }

  /** One entry of a tensor's shape, as an int64 tensor of one element. */
  dim1(x: string, axis: number): string {
    return this.op('Gather', [this.op('Shape', [x]), this.ints(axis)], { attributes: { axis: 0n } });
  }

  gather(x: string, indices: string, axis: number): string {
    return this.op('Gather', [x, indices], { attributes: { axis: BigInt(axis) } });
  }

  /** x[…, start:end, …]; start and end are int64 tensors of one element. */
  slice(x: string, start: string, end: string, axis: number): string {
    return this.op('Slice', [x, start, end, this.ints(axis)]);
  }

  /** The last entry along an axis; the axis stays, with length 1. */
  last(x: string, axis: number): string {
    return this.slice(x, this.ints(-1), this.ints(Number.MAX_SAFE_INTEGER), axis);
  }

  concat(parts: readonly string[], axis: number): string {
    return this.op('Concat', parts, { attributes: { axis: BigInt(axis) } });
  }

  reshape(x: string, shape: string): string {
    return this.op('Reshape', [x, shape]);
  }

  transpose(x: string, ...perm: number[]): string {
    return this.op('Transpose', [x], { attributes: { perm: perm.map(BigInt) } });
  }

  unsqueeze(x: string, ...axes: number[]): string {
    return this.op('Unsqueeze', [x, this.ints(...axes)]);
  }

  softmax(x: string): string {
    return this.op('Softmax', [x], { attributes: { axis: -1n } });
  }

  /** 0, 1, …, n−1 for an int64 scalar n. */
  range(n: string): string {
    return this.op('Range', [this.int(0), n, this.int(1)]);
  }

  /** ReduceSum, ReduceMean, ReduceMax or ReduceMin; all but ReduceSum took their axes as an attribute until opset 18. */
  reduce(
    opType: 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin',
    x: string,
    axes: readonly number[],
    keepdims: boolean,
  ): string {
    const keep = { keepdims: keepdims ? 1n : 0n };
    return opType === 'ReduceSum' || this.#opset >= 18
      ? this.op(opType, [x, this.ints(...axes)], { attributes: keep })
      : this.op(opType, [x], { attributes: { axes: axes.map(BigInt), ...keep } });
  }
}

/** The names of tensors that a subgraph among a node's attributes uses. */
function namesIn(value: AttributeValue): string[] {
  return typeof value === 'object' && 'node' in value ? [...allNames(value)] : [];
}

/** JSON.stringify takes no bigint. */
function withBigints(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? { int: String(value) } : value;
}

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'bigint')
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: value });
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value });
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if ('node' in value) return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: value });
  if ('dims' in value) return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: value });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: [...value] });
}
