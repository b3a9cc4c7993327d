// What the rewrite sees in a decoder, for people: `fastv inspect`.
import { FastvError } from '../errors.js';
import { dataTypeName, floatAttribute, intAttribute, type GraphView, type OnnxModel } from '../onnx/index.js';
import { inputCount, recogniseDecoder, type Decoder, type Layer } from '../decoder/decoder.js';
import { sharersOf } from '../decoder/attention/find.js';
import { linearLayers } from '../decoder/linear.js';
import { rewriteDecoder } from './rewrite-decoder.js';

/** One layer, as the rewrite sees it. */
export interface LayerInspection {
  readonly index: number;
  /** `none` for layers without attention (convolution, recurrence). */
  readonly attention: string;
  readonly heads: number | undefined;
  readonly kvHeads: number | undefined;
  readonly headSize: number | undefined;
  readonly rotation: 'in-op' | 'outside' | undefined;
  /** Tokens that a local window sees; undefined without one. */
  readonly localWindow: number | undefined;
  readonly softcap: number | undefined;
  /** How many later layers, which have no cache, attend to this one's keys; undefined if there are none. */
  readonly sharedBy: number | undefined;
}

/** Where a cut would fall, or why it cannot. */
export interface CutInspection {
  readonly layer: number;
  /** The tensor after which K = layer cuts; undefined if it cannot, or was not tried. */
  readonly after: string | undefined;
  /** Why it cannot; undefined if it can, or was not tried: of a large graph the first K are tried. */
  readonly refused: string | undefined;
}

/** What is read of a graph, and inputs that are read for all cuts together: each is tried by a rewrite of the whole. */
const MOST = { nodes: 50_000, inputs: 200_000, tries: 2 ** 18 } as const;

/** What a decoder is made of. */
export interface Inspection {
  readonly opset: number;
  readonly producer: string;
  readonly nodes: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly layers: readonly LayerInspection[];
  /** How many matrix products there are with each type of weight. */
  readonly weights: Readonly<Record<string, number>>;
  readonly cuts: readonly CutInspection[];
}

/**
 * Describes a decoder: its layers, its weights, and where K = 1, 2, … would cut or why not. Of a graph of very many nodes
 * only the first K are tried.
 * @throws {FastvError} `unsupported-decoder` if it is no decoder that the rewrite understands
 * @example
 * for (const { index, attention, heads } of inspectDecoder(decodeModel(bytes)).layers) console.log(index, attention, heads);
 */
export function inspectDecoder(model: OnnxModel): Inspection {
  const decoder = recogniseDecoder(model);
  const { graph } = decoder;
  const [nodes, inputs] = [model.graph.node.length, inputCount(model)];
  if (nodes > MOST.nodes || inputs > MOST.inputs) {
    throw new FastvError(
      'unsupported-decoder',
      `the graph has ${nodes} nodes with ${inputs} inputs; at most ${MOST.nodes} with ${MOST.inputs} are inspected`,
      { where: 'graph', hint: 'Decoders have some thousand nodes; fastv rewrite reads more.' },
    );
  }
  const tried = Math.max(1, Math.floor(MOST.tries / inputs));
  return {
    opset: decoder.opset,
    producer: [model.producerName, model.producerVersion].filter((text) => text !== '').join(' '),
    nodes,
    inputs: [...graph.inputs.keys()],
    outputs: [...graph.outputs.keys()],
    layers: decoder.layers.map((layer) => inspectLayer(graph, layer)),
    weights: weightTypes(graph),
    cuts: decoder.layers
      .slice(1)
      .map(({ index: layer }) =>
        layer <= tried ? inspectCut(model, decoder, layer) : { layer, after: undefined, refused: undefined },
      ),
  };
}

function inspectLayer(graph: GraphView, { index, attention: core }: Layer): LayerInspection {
  const window = core === undefined ? -1 : intAttribute(core.node, 'local_window_size', -1);
  const softcap = core === undefined ? 0 : floatAttribute(core.node, 'softcap', 0);
  return {
    index,
    attention: core?.kind.name ?? 'none',
    heads: core?.heads,
    kvHeads: core?.kvHeads,
    headSize: core?.headSize,
    rotation: core?.rotation,
    localWindow: window > 0 ? window : undefined,
    softcap: softcap > 0 ? softcap : undefined,
    sharedBy: (core === undefined ? 0 : sharersOf(graph, core)) || undefined,
  };
}

function inspectCut(model: OnnxModel, decoder: Decoder, layer: number): CutInspection {
  try {
    const { report } = rewriteDecoder(model, { stages: [{ layer }] }, decoder);
    return { layer, after: report.stages[0]?.after, refused: undefined };
  } catch (error) {
    if (!(error instanceof FastvError)) throw error;
    return { layer, after: undefined, refused: error.message };
  }
}

/** Counts matrix products by how their weights are stored. */
function weightTypes(graph: GraphView): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { node, weight } of linearLayers(graph)) {
    const stored =
      node.opType === 'MatMulNBits' ? `int${intAttribute(node, 'bits', 4)}` : typeName(weight.dataType);
    const type = node.opType === 'MatMul' ? stored : `${stored} (${node.opType})`;
    counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}

function typeName(type: number): string {
  return dataTypeName(type).toLowerCase();
}
