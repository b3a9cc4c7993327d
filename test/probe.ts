// Looks inside a toy decoder: runs it with tensors that a test has added.

import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  allNames,
  concatChunks,
  create,
  Emitter,
  encodeModel,
  GraphProtoSchema,
  ValueInfoProtoSchema,
  type OnnxModel,
} from '../src/onnx/index.js';
import { topologicalOrder } from '../src/onnx/graph.js';
import { recogniseDecoder, type Decoder } from '../src/decoder/decoder.js';
import { numbers } from './graphs.js';
import type { ToyConfig } from './toy/config.js';
import { toyRow } from './toy/rows.js';

/** The tokens of the call that {@link probe} makes. */
export const TOKENS = 9;

/**
 * Adds nodes to a decoder, and gives what they compute at its first call.
 * @param make emits nodes; returns the tensors to look at (float32)
 */
export async function probe(
  config: ToyConfig,
  model: OnnxModel,
  make: (emit: Emitter, decoder: Decoder) => readonly string[],
): Promise<{ values: number[]; dims: readonly number[] }[]> {
  const decoder = recogniseDecoder(model);
  const emit = new Emitter(decoder.opset, allNames(model.graph));
  const probes = make(emit, decoder);
  const graph = create(GraphProtoSchema, {
    ...model.graph,
    node: topologicalOrder([...model.graph.node, ...emit.nodes], (node) => decoder.graph.inputsOf(node)),
    initializer: [...model.graph.initializer, ...emit.initializers],
    output: probes.map((name) => create(ValueInfoProtoSchema, { name })),
    valueInfo: [],
  });
  const bytes = concatChunks(encodeModel({ ...model, graph }));
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const outputs = await session.run(feeds(config, session));
  return probes.map((name) => ({ values: numbers(outputs, name), dims: outputs[name]?.dims ?? [] }));
}

/** A first call of one row of {@link TOKENS} tokens. */
function feeds(config: ToyConfig, session: InferenceSession): Record<string, Tensor> {
  const row = toyRow(config, [3, 4, 2], { seed: 5 });
  const embeds = Float32Array.from(row.embeds.flatMap((embed) => [...embed]));
  const int64 = (values: readonly number[]): Tensor =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), [1, TOKENS]);
  const all: Record<string, Tensor> = {
    inputs_embeds: new Tensor('float32', embeds, [1, TOKENS, config.hidden]),
    attention_mask: int64(row.embeds.map(() => 1)),
    position_ids: int64(row.embeds.map((_, i) => i)),
    num_logits_to_keep: new Tensor('int64', [0n], []),
  };
  const empty = new Tensor('float32', new Float32Array(), [1, config.kvHeads, 0, config.headDim]);
  return Object.fromEntries(session.inputNames.map((name) => [name, all[name] ?? empty]));
}
