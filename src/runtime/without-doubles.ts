// ONNX Runtime Web is built without float64 kernels, and the rewrite counts a row's kept tokens in float64. Here that
// count becomes integer arithmetic on R in millionths: round-half-even(n · (10⁶ − 10⁶·R) / 10⁶), exactly. It differs from
// float64 only where n · (1 − R) is exactly a half that float64 misses (n = 15, R = 0.9), by one token.
import type { NodeProto } from 'onnx-buf';
import { allNames, DataType, Emitter, intAttribute, type OnnxModel } from '../onnx/index.js';

const INT64: number = DataType.INT64;
const DOUBLE: number = DataType.DOUBLE;

/** Replaces the float64 arithmetic that the rewrite adds. The model is changed in place. */
export function withoutDoubles(model: OnnxModel): void {
  const { graph } = model;
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const opset = Number(model.opsetImport.find(({ domain }) => domain === '')?.version ?? 13n);
  const emit = new Emitter(opset, allNames(graph));
  const removed = new Set<NodeProto>();
  const nodes: NodeProto[] = [];
  for (const node of graph.node) {
    const quota = quotaOf(node, producers);
    const [output = ''] = node.output;
    if (quota === undefined) nodes.push(node);
    else {
      const first = emit.nodes.length;
      const kept = integerQuota(emit, quota.images, quota.ratio);
      const last = emit.nodes.find(({ output: [name] }) => name === kept);
      if (last !== undefined) last.output = [output];
      nodes.push(...emit.nodes.slice(first));
      for (const old of [node, ...quota.chain]) removed.add(old);
    }
  }
  if (removed.size === 0) return;
  graph.node = nodes.filter((node) => !removed.has(node));
  const used = new Set(graph.node.flatMap(({ input }) => input));
  graph.initializer = [...graph.initializer, ...emit.initializers].filter(
    ({ name, dataType }) => dataType !== DOUBLE || used.has(name),
  );
}

interface Quota {
  readonly images: string;
  readonly ratio: string;
  readonly chain: readonly NodeProto[];
}

/** Recognises Cast(Round(n · (1 − clip(round(R · 10⁶) / 10⁶)))), the last Cast being `node`. */
function quotaOf(node: NodeProto, producers: ReadonlyMap<string, NodeProto>): Quota | undefined {
  const chain: NodeProto[] = [];
  const step = (name: string | undefined, opType: string): NodeProto | undefined => {
    const producer = producers.get(name ?? '');
    if (producer?.opType !== opType) return undefined;
    chain.push(producer);
    return producer;
  };
  if (node.opType !== 'Cast' || intAttribute(node, 'to', 0) !== INT64) return undefined;
  const share = step(step(node.input[0], 'Round')?.input[0], 'Mul');
  const images = step(share?.input[0], 'Cast');
  const inRange = step(step(share?.input[1], 'Sub')?.input[1], 'Min');
  const decimal = step(step(inRange?.input[0], 'Max')?.input[0], 'Div');
  const ratio = step(step(step(decimal?.input[0], 'Round')?.input[0], 'Mul')?.input[0], 'Cast');
  const isDouble = (cast: NodeProto | undefined): cast is NodeProto =>
    cast !== undefined && intAttribute(cast, 'to', 0) === DOUBLE;
  if (!isDouble(images) || !isDouble(ratio)) return undefined;
  return { images: images.input[0] ?? '', ratio: ratio.input[0] ?? '', chain };
}

function integerQuota(emit: Emitter, images: string, ratio: string): string {
  const million = emit.int(1_000_000);
  const rounded = emit.op('Round', [emit.op('Mul', [ratio, emit.float(1e6)])]);
  const millionths = emit.op('Min', [
    emit.op('Max', [emit.cast(rounded, DataType.INT64), emit.int(0)]),
    million,
  ]);
  const share = emit.op('Mul', [images, emit.op('Sub', [million, millionths])]);
  const whole = emit.op('Div', [share, million]);
  const rest = emit.op('Sub', [share, emit.op('Mul', [whole, million])]);
  const two = emit.int(2);
  const odd = emit.op('Sub', [whole, emit.op('Mul', [emit.op('Div', [whole, two]), two])]);
  // a half goes up if that makes it even
  const up = emit.op('Greater', [emit.op('Add', [rest, odd]), emit.int(500_000)]);
  return emit.op('Add', [whole, emit.cast(up, DataType.INT64)]);
}
