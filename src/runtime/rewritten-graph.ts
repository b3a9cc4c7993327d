// The rewritten decoder as a small file: its graph, with every large weight referred to where it lies in the original
// file. So the weights exist once on disk and, in a browser, once in memory.
import { allTensors } from '../onnx/external.js';
import {
  concatChunks,
  create,
  decodeModel,
  encodeModel,
  externalFiles,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  type ModelProto,
  type TensorProto,
} from '../onnx/index.js';
import type { QuotaArithmetic } from '../rewrite/quota.js';
import { rewriteBy, type Sharing } from '../rewrite/rewrite.js';
import type { Standing, Strategy } from '../strategies/unlisted.js';

/** Smaller tensors (shapes, scales of one head) stay in the graph, where shape inference may need them. */
const LARGE = 1024;

/** How to cut: the part of a rewrite that decides the resulting graph. */
export interface Cut extends Standing {
  readonly layers: readonly number[];
  readonly strategy: Strategy;
  /** How images share what is kept. */
  readonly sharing?: Sharing | undefined;
  /** Whether budgets may go by attention. */
  readonly mass?: boolean;
  /** Whether the graph may use float64, which ONNX Runtime Web cannot; default true. */
  readonly doubles?: boolean;
}

/**
 * Rewrites a decoder.
 * @param bytes the original file
 * @param weightsFile the name under which ONNX Runtime will find these same bytes; undefined keeps weights inside
 * @param where the original's file, for errors
 * @throws {FastvError} `malformed-model`, or `unsupported-decoder` if it cannot be pruned
 */
export function rewrittenGraph(
  bytes: Uint8Array,
  cut: Cut,
  weightsFile?: string,
  where = weightsFile,
): Uint8Array<ArrayBuffer> {
  const model = decodeModel(bytes, where);
  const stages = cut.layers.map((layer) => ({ layer }));
  const quota: QuotaArithmetic = cut.doubles === false ? 'integer' : 'float64';
  const { strategy, weights, merge, sharing, mass } = cut;
  // whoever has shares or clusters of their own is told apart
  const segments = [sharing, weights, merge].some((said) => said !== undefined);
  const standing = { ...(weights && { weights }), ...(merge && { merge }) };
  const asked = {
    stages,
    ...standing,
    ...(mass === true && { mass }),
    segments,
    quota,
  };
  const { model: rewritten } = rewriteBy(strategy, model, asked, { sharing });
  if (weightsFile !== undefined) referToWeights(rewritten, bytes, weightsFile);
  return concatChunks(encodeModel(rewritten));
}

/**
 * A graph with other names for the files that its weights lie in.
 * @param rename is called once for each file
 * @throws {FastvError} `external-data` for a name that no file may have, or what `rename` throws
 */
export function withWeightsAt(
  graph: Uint8Array<ArrayBuffer>,
  rename: (location: string) => string,
): Uint8Array<ArrayBuffer> {
  const model = decodeModel(graph);
  const names = new Map(externalFiles(model).map((location) => [location, rename(location)]));
  if ([...names].every(([before, after]) => before === after)) return graph;
  for (const { externalData } of allTensors(model)) {
    for (const entry of externalData) {
      if (entry.key === 'location') entry.value = names.get(entry.value) ?? entry.value;
    }
  }
  return concatChunks(encodeModel(model));
}

/**
 * Makes every large weight of a graph a reference into the file that it is a view of.
 * @param bytes the original file
 * @param file the name under which ONNX Runtime will find it
 */
export function referToWeights(model: ModelProto, bytes: Uint8Array, file: string): void {
  for (const tensor of model.graph?.initializer ?? []) {
    const { rawData } = tensor;
    const offset = rawData.byteOffset - bytes.byteOffset;
    const inside = rawData.buffer === bytes.buffer && offset >= 0 && offset + rawData.length <= bytes.length;
    if (rawData.length >= LARGE && inside) refer(tensor, file, offset, rawData.length);
  }
}

function refer(tensor: TensorProto, location: string, offset: number, length: number): void {
  const entries = { location, offset: String(offset), length: String(length) };
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  tensor.dataLocation = TensorProto_DataLocation.EXTERNAL;
  tensor.rawData = new Uint8Array();
}

/** Whether bytes are a decoder with a KV cache that takes embeddings: what the rewrite is for. */
export function looksLikeDecoder(bytes: Uint8Array): boolean {
  let inputs: string[];
  try {
    inputs = decodeModel(bytes).graph.input.map(({ name }) => name);
  } catch {
    return false; // no ONNX model: for ONNX Runtime to say
  }
  return inputs.includes('inputs_embeds') && inputs.some((name) => name.startsWith('past_key_values.'));
}
