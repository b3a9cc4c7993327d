// Damage for decoders: to a file's bytes, and to the fields of what they say. All of it is drawn from a seeded random
// number generator, so that a failure can be repeated by its seed.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type ValueInfoProto,
} from 'onnx-buf';
import type { Random } from './toy/random.js';

export type ByteMutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;
export type FieldMutation = (graph: GraphProto, random: Random, model: ModelProto) => void;

const below = (random: Random, n: number): number => Math.floor(random() * n);
const pick = <T>(random: Random, list: readonly T[]): T | undefined => list[below(random, list.length)];

/** Changes a copy. */
function edited(bytes: Uint8Array, edit: (copy: Uint8Array) => void): Uint8Array {
  const copy = bytes.slice();
  edit(copy);
  return copy;
}

export const byteMutations: Readonly<Record<string, ByteMutation>> = {
  truncated: (bytes, random) => bytes.slice(0, below(random, bytes.length)),
  'without its head': (bytes, random) => bytes.slice(1 + below(random, 200)),
  'one bit flipped': (bytes, random) =>
    edited(bytes, (copy) => {
      const at = below(random, copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
    }),
  'many bits flipped': (bytes, random) =>
    edited(bytes, (copy) => {
      for (let i = 0; i < 40; i++) {
        const at = below(random, copy.length);
        copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
      }
    }),
  'bytes swapped': (bytes, random) =>
    edited(bytes, (copy) => {
      for (let i = 0; i < 4; i++) {
        const [a, b] = [below(random, copy.length), below(random, copy.length)];
        [copy[a], copy[b]] = [copy[b] ?? 0, copy[a] ?? 0];
      }
    }),
  'a run of noise': (bytes, random) =>
    edited(bytes, (copy) => {
      const start = below(random, copy.length);
      for (let i = start; i < Math.min(copy.length, start + 64); i++) copy[i] = below(random, 256);
    }),
  'a run of 0xff': (bytes, random) =>
    edited(bytes, (copy) => {
      const start = below(random, copy.length);
      copy.fill(0xff, start, start + 12);
    }),
  noise: (_, random) => Uint8Array.from({ length: below(random, 4096) }, () => below(random, 256)),
  'a piece cut out': (bytes, random) => {
    const start = below(random, bytes.length);
    return joined(bytes.slice(0, start), bytes.slice(start + 1 + below(random, 300)));
  },
  'a piece twice': (bytes, random) => {
    const [start, length] = [below(random, bytes.length), 1 + below(random, 300)];
    return joined(bytes.slice(0, start + length), bytes.slice(start));
  },
  'spliced with another': (bytes, random, other) =>
    joined(bytes.slice(0, below(random, bytes.length)), other.slice(below(random, other.length))),
  'followed by another': (bytes, _, other) => joined(bytes, other),
};

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** Applies a field mutation to a file. */
export function mutateFields(bytes: Uint8Array, mutation: FieldMutation, random: Random): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const graph = model.graph ?? create(GraphProtoSchema);
  mutation(graph, random, model);
  return toBinary(ModelProtoSchema, model);
}

const NUMBERS = [0n, -1n, 1n, 3n, 7n, 4096n, 2n ** 31n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n)];
const NAMES = [
  '',
  'fastv/Shape',
  'kept_indices',
  'image_token_mask',
  'prune_ratio',
  'past_key_values.999999999.key',
  'past_key_values.4000.value',
  'past_key_values.00.key',
  'past_key_values.0.key',
  'past_conv.1',
  'present.1.key',
  'logits',
  'inputs_embeds',
  'attention_mask',
  'position_ids',
  '__proto__',
  'constructor',
  '\u0000',
  'ü'.repeat(3000),
];
const TYPES = [
  AttributeType.UNDEFINED,
  AttributeType.FLOAT,
  AttributeType.STRING,
  AttributeType.GRAPH,
  AttributeType.INTS,
];
const OPS = [
  'Identity',
  'Shape',
  'Cos',
  'Cast',
  'Concat',
  'Gather',
  'Reshape',
  'Softmax',
  'MatMul',
  'Unsqueeze',
  'RotaryEmbedding',
  'GroupQueryAttention',
  'MultiHeadAttention',
  'Attention',
  'Constant',
  'constructor',
  '',
];

const node = (graph: GraphProto, random: Random): NodeProto =>
  pick(random, graph.node) ?? create(NodeProtoSchema);
const value = (random: Random, list: readonly ValueInfoProto[]): ValueInfoProto =>
  pick(random, list) ?? create(ValueInfoProtoSchema);
const name = (random: Random): string => pick(random, NAMES) ?? '';

/** A name from the graph or a hostile one. */
function anyName(graph: GraphProto, random: Random): string {
  const inside = pick(random, node(graph, random).output) ?? '';
  return random() < 0.5 ? inside : name(random);
}

function remove(list: unknown[], random: Random): void {
  list.splice(below(random, list.length), 1);
}

function duplicate(list: unknown[], random: Random): void {
  const item = pick(random, list);
  if (item !== undefined) list.splice(below(random, list.length), 0, item);
}

export const fieldMutations: Readonly<Record<string, FieldMutation>> = {
  'node removed': (graph, random) => {
    remove(graph.node, random);
  },
  'node twice': (graph, random) => {
    duplicate(graph.node, random);
  },
  'node with another op': (graph, random) => {
    node(graph, random).opType = pick(random, OPS) ?? '';
  },
  'node in another domain': (graph, random) => {
    node(graph, random).domain = random() < 0.5 ? 'com.microsoft' : name(random);
  },
  'node without inputs': (graph, random) => {
    node(graph, random).input = [];
  },
  'node without outputs': (graph, random) => {
    node(graph, random).output = [];
  },
  'node input renamed': (graph, random) => {
    const { input } = node(graph, random);
    input[below(random, input.length)] = anyName(graph, random);
  },
  'node input removed': (graph, random) => {
    remove(node(graph, random).input, random);
  },
  'node output renamed': (graph, random) => {
    const { output } = node(graph, random);
    output[below(random, output.length)] = anyName(graph, random);
  },
  'self loop': (graph, random) => {
    const looped = node(graph, random);
    looped.input[0] = looped.output[0] ?? '';
  },
  cycle: (graph, random) => {
    const [a, b] = [node(graph, random), node(graph, random)];
    a.input[0] = b.output[0] ?? '';
    b.input[0] = a.output[0] ?? '';
  },
  'attribute removed': (graph, random) => {
    remove(node(graph, random).attribute, random);
  },
  'attribute twice': (graph, random) => {
    duplicate(node(graph, random).attribute, random);
  },
  'attribute absurd': (graph, random) => {
    const attribute = pick(
      random,
      graph.node.flatMap((n) => n.attribute),
    );
    if (attribute === undefined) return;
    attribute.i = pick(random, NUMBERS) ?? 0n;
    attribute.f = Number.NaN;
    attribute.ints = attribute.ints.map(() => pick(random, NUMBERS) ?? 0n);
  },
  'attribute of another type': (graph, random) => {
    const attribute = pick(
      random,
      graph.node.flatMap((n) => n.attribute),
    );
    if (attribute !== undefined) attribute.type = pick(random, TYPES) ?? AttributeType.UNDEFINED;
  },
  'heads absurd': (graph, random) => {
    for (const attribute of graph.node.flatMap((n) => n.attribute)) {
      if (/num_heads|scale|softcap|window|axis|perm/u.test(attribute.name) && random() < 0.3) {
        attribute.i = pick(random, NUMBERS) ?? 0n;
        attribute.f = pick(random, [Number.NaN, Infinity, -1, 0]) ?? 0;
      }
    }
  },
  'input removed': (graph, random) => {
    remove(graph.input, random);
  },
  'input twice': (graph, random) => {
    duplicate(graph.input, random);
  },
  'input renamed': (graph, random) => {
    value(random, graph.input).name = name(random);
  },
  'input without type': (graph, random) => {
    Object.assign(value(random, graph.input), { type: undefined });
  },
  'dims absurd': (graph, random) => {
    for (const info of [...graph.input, ...graph.output]) {
      if (info.type?.value.case !== 'tensorType') continue;
      for (const dim of info.type.value.value.shape?.dim ?? []) {
        if (random() < 0.2) dim.value = { case: 'dimValue', value: pick(random, NUMBERS) ?? 0n };
        else if (random() < 0.1) dim.value = { case: 'dimParam', value: name(random) };
        else if (random() < 0.1) dim.value = { case: undefined };
      }
    }
  },
  'axes missing': (graph, random) => {
    const { type } = value(random, graph.input);
    if (type?.value.case === 'tensorType') type.value.value.shape?.dim.splice(below(random, 3));
  },
  'element type absurd': (graph, random) => {
    const { type } = value(random, [...graph.input, ...graph.output]);
    if (type?.value.case === 'tensorType')
      type.value.value.elemType = pick(random, [0, -1, 8, 16, 99, 2 ** 31 - 1]) ?? 0;
  },
  'output removed': (graph, random) => {
    remove(graph.output, random);
  },
  'output twice': (graph, random) => {
    duplicate(graph.output, random);
  },
  'output renamed': (graph, random) => {
    value(random, graph.output).name = anyName(graph, random);
  },
  'initialiser removed': (graph, random) => {
    remove(graph.initializer, random);
  },
  'initialiser twice': (graph, random) => {
    duplicate(graph.initializer, random);
  },
  'initialiser renamed': (graph, random) => {
    const tensor = pick(random, graph.initializer);
    if (tensor !== undefined) tensor.name = anyName(graph, random);
  },
  'initialiser absurd': (graph, random) => {
    for (const tensor of graph.initializer) {
      if (random() < 0.7) continue;
      tensor.dims = tensor.dims.map(() => pick(random, NUMBERS) ?? 0n);
      if (random() < 0.3) tensor.dataType = pick(random, [0, -5, 7, 6, 8, 16, 99]) ?? 0;
      if (random() < 0.3) tensor.rawData = tensor.rawData.slice(0, below(random, tensor.rawData.length));
    }
  },
  'steering constants absurd': (graph, random) => {
    for (const tensor of graph.initializer) {
      if (tensor.dataType !== 7 || random() < 0.5) continue;
      const count = tensor.rawData.length / 8;
      tensor.rawData = new Uint8Array(
        BigInt64Array.from({ length: count }, () => pick(random, NUMBERS) ?? 0n).buffer,
      );
    }
  },
  'initialiser elsewhere': (graph, random) => {
    const tensor = pick(random, graph.initializer);
    if (tensor === undefined) return;
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
    tensor.rawData = new Uint8Array();
    const entry = (key: string, list: readonly string[]): { key: string; value: string } => ({
      key,
      value: pick(random, list) ?? '',
    });
    const absurd = ['-1', '1e9', '99999999999999999999', 'NaN', '', '18446744073709551616', '4096'];
    const made = create(TensorProtoSchema, {
      externalData: [
        entry('location', ['../../etc/passwd', '/etc/passwd', 'C:\\x', 'a\u0000b', 'http://host/x', '', '.']),
        entry('offset', absurd),
        entry('length', absurd),
      ],
    });
    tensor.externalData = made.externalData;
  },
  'shape read from start to end': (graph, random) => {
    for (const shape of graph.node.filter(({ opType }) => opType === 'Shape')) {
      shape.attribute = ['start', 'end'].map((key) =>
        create(AttributeProtoSchema, {
          name: key,
          type: AttributeType.INT,
          i: pick(random, NUMBERS) ?? 0n,
        }),
      );
    }
  },
  'subgraphs nested': (graph, random) => {
    const depth = pick(random, [1, 5, 15, 19, 30]) ?? 1;
    node(graph, random).attribute.push(nested(depth, anyName(graph, random)));
  },
  'opset absurd': (_, random, model) => {
    for (const opset of model.opsetImport)
      opset.version = pick(random, [...NUMBERS, 12n, 13n, 18n, 99n]) ?? 0n;
  },
  'opset twice or gone': (_, random, model) => {
    if (random() < 0.5) duplicate(model.opsetImport, random);
    else model.opsetImport = [];
  },
  'graph gone': (_graph, _random, model) => {
    Object.assign(model, { graph: undefined });
  },
  'nodes shuffled': (graph, random) => {
    for (let i = graph.node.length - 1; i > 0; i--) {
      const j = below(random, i + 1);
      const [a, b] = [graph.node[i], graph.node[j]];
      if (a !== undefined && b !== undefined) [graph.node[i], graph.node[j]] = [b, a];
    }
  },
  'cache of a far layer': (graph, random) => {
    const layer = pick(random, ['4096', '4097', '999999999', '99999999999999999999', '600']) ?? '';
    graph.input.push(create(ValueInfoProtoSchema, { name: `past_key_values.${layer}.key` }));
    graph.output.push(create(ValueInfoProtoSchema, { name: `present.${layer}.key` }));
  },
  'two at once': (graph, random, model) => {
    const rest = Object.entries(fieldMutations).filter(([key]) => key !== 'two at once');
    for (let i = 0; i < 2; i++) pick(random, rest)?.[1](graph, random, model);
  },
};

/** An attribute that holds a graph whose node holds a graph …, the innermost of which uses a tensor from outside. */
function nested(depth: number, captured: string): ReturnType<typeof create<typeof AttributeProtoSchema>> {
  const inner = depth > 1 ? [nested(depth - 1, captured)] : [];
  return create(AttributeProtoSchema, {
    name: 'body',
    type: AttributeType.GRAPH,
    g: create(GraphProtoSchema, {
      node: [create(NodeProtoSchema, { opType: 'If', input: [captured], attribute: inner })],
    }),
  });
}
