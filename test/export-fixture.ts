// Decoders of today's exporters with a PyTorch reference's answers (test/fixtures/exports), and how to run them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  concatChunks,
  create,
  decodeModel,
  encodeModel,
  floatAttribute,
  GraphProtoSchema,
  int64Tensor,
  intAttribute,
  NodeProtoSchema,
  type NodeProto,
  type OnnxModel,
} from '../src/onnx/index.js';
import { floatAttr, node } from './graphs.js';

/** One call's worth of answers; rows one after the other in flat arrays. */
export interface ExportCase {
  readonly name: string;
  readonly K: number;
  readonly R: number;
  /** [batch, sequence, hidden] of the prefill. */
  readonly shape: readonly [number, number, number];
  readonly inputs_embeds: readonly number[];
  readonly attention_mask: readonly (readonly number[])[];
  /** [batch, sequence], or [3, batch, sequence]. */
  readonly position_ids: Nested;
  readonly image_token_mask: readonly (readonly number[])[];
  /** [step, batch · hidden] */
  readonly decode_embeds: readonly (readonly number[])[];
  readonly decode_position_ids: readonly Nested[];
  readonly kept: readonly (readonly number[])[];
  /** The prefill's last token, then each step's: [1 + steps, batch · vocabulary]. */
  readonly logits: readonly (readonly number[])[];
  readonly logits_R0: readonly (readonly number[])[];
  readonly cache_lengths: readonly number[];
}

type Nested = readonly (number | Nested)[];

export interface ExportFixture {
  readonly note: string;
  readonly cases?: readonly ExportCase[];
}

/** Where the fixtures lie. */
export const EXPORTS = fileURLToPath(new URL('./fixtures/exports', import.meta.url));

export function exportFixture(name: string, folder = EXPORTS): ExportFixture {
  return JSON.parse(readFileSync(join(folder, name, 'expected.json'), 'utf8')) as ExportFixture;
}

/** How a decoder ended that training/decoder_exports.py made and that is too large, with its like, to be kept. */
export interface MadeExport {
  /** Architecture, versions and exporter. */
  readonly note: string;
  /** What the file names as its producer. */
  readonly producer: string;
  /** `works`, or why it was refused. */
  readonly outcome: string;
}

const madeExports = new URL('./fixtures/made-exports.json', import.meta.url);

export function readMadeExports(): Readonly<Record<string, MadeExport>> {
  return JSON.parse(readFileSync(madeExports, 'utf8')) as Record<string, MadeExport>;
}

/** Keeps how some ended, beside those that are not among them. */
export function writeMadeExports(outcomes: Readonly<Record<string, MadeExport>>): void {
  const all = Object.entries({ ...readMadeExports(), ...outcomes }).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(madeExports, `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`);
}

export function exportModel(name: string, file = 'model.onnx', folder = EXPORTS): OnnxModel {
  return decodeModel(readFileSync(join(folder, name, file)), name);
}

/**
 * The same decoder for a processor, which lacks GroupQueryAttention's own q and k norms: they are put in front of the
 * operators that have them.
 */
export function withNormsOutside(model: OnnxModel): OnnxModel {
  const initializer = [...model.graph.initializer];
  const shape = (name: string, ...values: number[]): string => {
    initializer.push(Object.assign(int64Tensor(values), { name }));
    return name;
  };
  const nodes = model.graph.node.flatMap((attention) => {
    const [q = '', k = '', ...rest] = attention.input;
    const [qNorm = '', kNorm = ''] = attention.input.slice(14, 16);
    if (attention.opType !== 'GroupQueryAttention' || qNorm === '') return [attention];
    const epsilon = floatAttribute(attention, 'qk_norm_epsilon', 1e-6);
    const made: NodeProto[] = [];
    const norm = (x: string, weight: string, heads: number): string => {
      const [split, normed, merged] = ['heads', 'norm', 'features'].map((part) => `${x}/own ${part}`);
      const four = shape(`${x}/own heads/shape`, 0, 0, heads, -1);
      const three = shape(`${x}/own features/shape`, 0, 0, -1);
      made.push(
        node('Reshape', [x, four], [split ?? '']),
        node(
          'SimplifiedLayerNormalization',
          [split ?? '', weight],
          [normed ?? ''],
          floatAttr('epsilon', epsilon),
        ),
        node('Reshape', [normed ?? '', three], [merged ?? '']),
      );
      return merged ?? '';
    };
    const outside = create(NodeProtoSchema, {
      ...attention,
      input: [
        norm(q, qNorm, intAttribute(attention, 'num_heads', 0)),
        norm(k, kNorm, intAttribute(attention, 'kv_num_heads', 0)),
        ...rest.slice(0, 12),
      ],
      attribute: attention.attribute.filter(({ name }) => name !== 'qk_norm_epsilon'),
    });
    return [...made, outside];
  });
  return { ...model, graph: create(GraphProtoSchema, { ...model.graph, node: nodes, initializer }) };
}

/** What a prefill and the decoding steps after it gave. */
export interface ExportAnswer {
  /** The last token's logits, call by call: [batch · vocabulary]. */
  readonly logits: readonly Float32Array[];
  /** kept_indices of the prefill, a list a row; undefined if the graph does not give it. */
  readonly kept: readonly number[][] | undefined;
  /** Length of each layer's key cache after the last step; undefined for layers without one. */
  readonly cacheLengths: readonly (number | undefined)[];
}

/** Runs a decoder, rewritten or not, over a case. */
export async function runExport(
  model: OnnxModel,
  example: ExportCase,
  ratio: number,
  headSize: number,
): Promise<ExportAnswer> {
  const session = await InferenceSession.create(concatChunks(encodeModel(model)), { logSeverityLevel: 3 });
  const [batch, sequence, hidden] = example.shape;
  const vocab = (example.logits[0] ?? []).length / batch;
  let states = emptyStates(model, batch, headSize);
  const logits: Float32Array[] = [];
  let kept: number[][] | undefined;
  const steps = example.decode_embeds.length;
  for (let step = 0; step <= steps; step++) {
    const length = step === 0 ? sequence : 1;
    const past = step === 0 ? 0 : sequence + step - 1;
    const positions = step === 0 ? example.position_ids : (example.decode_position_ids[step - 1] ?? []);
    const embeds = step === 0 ? example.inputs_embeds : (example.decode_embeds[step - 1] ?? []);
    const image = example.image_token_mask.flatMap((row) => (step === 0 ? row : [0]));
    const mask = example.attention_mask.flatMap((row) => [
      ...row,
      ...Array<number>(past + length - row.length).fill(1),
    ]);
    const all: Record<string, Tensor> = {
      ...states,
      inputs_embeds: new Tensor('float32', Float32Array.from(embeds), [batch, length, hidden]),
      attention_mask: int64(mask, [batch, past + length]),
      position_ids: int64(flat(positions), dimsOf(positions)),
      image_token_mask: new Tensor('bool', Uint8Array.from(image), [batch, length]),
      prune_ratio: new Tensor('float32', [ratio], [1]),
    };
    const feeds = Object.fromEntries(session.inputNames.map((name) => [name, given(all, name)]));
    const outputs = await session.run(feeds);
    const { data, dims } = given(outputs, 'logits');
    if (!(data instanceof Float32Array)) throw new TypeError('logits are not float32');
    const tokens = dims[1] ?? 0;
    const last = Array.from({ length: batch }, (_, row) => {
      const end = (row + 1) * tokens * vocab;
      return [...data.subarray(end - vocab, end)];
    });
    logits.push(Float32Array.from(last.flat()));
    if (step === 0 && 'kept_indices' in outputs) kept = rows(given(outputs, 'kept_indices'));
    states = Object.fromEntries(
      Object.keys(states).map((past_) => [past_, given(outputs, presentOf(past_, outputs))]),
    );
  }
  await session.release();
  const layers = example.cache_lengths.length;
  const cacheLengths = Array.from({ length: layers }, (_, i) => states[`past_key_values.${i}.key`]?.dims[2]);
  return { logits, kept, cacheLengths };
}

function emptyStates(model: OnnxModel, batch: number, headSize: number): Record<string, Tensor> {
  const states: Record<string, Tensor> = {};
  for (const { name, type } of model.graph.input) {
    if (!name.startsWith('past') || type?.value.case !== 'tensorType') continue;
    const dims = (type.value.value.shape?.dim ?? []).map(({ value }, axis) => {
      if (value.case === 'dimValue') return Number(value.value);
      if (axis === 0) return batch;
      return value.case === 'dimParam' && value.value === 'kv_cache_dim' ? headSize : 0;
    });
    states[name] = new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
  }
  return states;
}

function presentOf(past: string, outputs: InferenceSession.OnnxValueMapType): string {
  const short = past.replace('past_key_values', 'present');
  return short in outputs ? short : past.replace('past', 'present');
}

function given(tensors: Readonly<Record<string, unknown>>, name: string): Tensor {
  const tensor = tensors[name];
  if (!(tensor instanceof Tensor)) throw new Error(`no tensor ${name}`);
  return tensor;
}

function rows({ data, dims }: Tensor): number[][] {
  const width = dims[1] ?? 0;
  const values = Array.from(data as BigInt64Array, Number);
  return Array.from({ length: dims[0] ?? 0 }, (_, i) => values.slice(i * width, (i + 1) * width));
}

function int64(values: readonly number[], dims: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
}

function flat(nested: Nested): number[] {
  return nested.flatMap((item) => (typeof item === 'number' ? [item] : flat(item)));
}

function dimsOf(nested: Nested): number[] {
  const [first] = nested;
  return [nested.length, ...(first === undefined || typeof first === 'number' ? [] : dimsOf(first))];
}
