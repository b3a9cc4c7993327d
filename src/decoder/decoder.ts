// Recognises a decoder: its inputs, its layers with their caches, and where each layer's attention is.
import { FastvError } from '../errors.js';
import {
  checkOperators,
  DataType,
  declaredType,
  GraphView,
  opsetOf,
  type ModelProto,
  type OnnxModel,
  type ValueInfoProto,
} from '../onnx/index.js';
import type { AttentionCore } from './attention/core.js';
import { findAttention } from './attention/find.js';
import { wholeCaches } from './attention/sliding-caches.js';
import {
  ATTENTION_MASK,
  ATTENTION_MASS,
  EMBEDS,
  IMAGE_TOKEN_MASK,
  IMAGE_TOKEN_SCORES,
  IMAGE_TOKEN_SEGMENTS,
  KEPT_INDICES,
  POSITION_IDS,
  PRUNE_RATIO,
} from './contract.js';

/** A decoder layer. Layers without attention (convolution, recurrence) have only states. */
export interface Layer {
  readonly index: number;
  readonly attention: AttentionCore | undefined;
  /** Inputs that carry this layer's state from call to call: KV cache, convolution or recurrent state. */
  readonly pastStates: readonly string[];
  /** The outputs that carry it on. */
  readonly presentStates: readonly string[];
}

/** A decoder that the rewrite understands. */
export interface Decoder {
  /** The given model, but for caches that slid. */
  readonly model: OnnxModel;
  readonly graph: GraphView;
  /** Version of the default operator set. */
  readonly opset: number;
  readonly layers: readonly Layer[];
  /** Whether position_ids is an input, and how many axes it has: 2, or 3 for mRoPE ([3, batch, sequence]). */
  readonly positionAxes: 2 | 3 | undefined;
  /** Inputs besides inputs_embeds that bring something for every token: [batch, sequence, …]. */
  readonly tokenInputs: readonly string[];
  /**
   * Inputs that say something of every token as position_ids do: integers [batch, sequence]. What is made of them, such as
   * a mask by token types, is made anew after a cut.
   */
  readonly tokenFacts: readonly string[];
}

/** What is read of a graph: exporters make some hundred nodes a layer, and work grows with their inputs. */
const MOST = { nodes: 100_000, inputs: 1_000_000 } as const;

/** What the contract adds. */
const ADDED = [
  IMAGE_TOKEN_MASK,
  PRUNE_RATIO,
  IMAGE_TOKEN_SCORES,
  IMAGE_TOKEN_SEGMENTS,
  ATTENTION_MASS,
  KEPT_INDICES,
] as const;

/** The oldest operator set whose ops the rewrite uses. */
const MIN_OPSET = 13;

/** A layer's state by its name: `past_key_values.3.key`, `past_conv.3`, `past_key_values.0.conv_state`, … */
const PAST = /^past[a-z0-9_]*\.(\d+)(?:\.[a-z0-9_]+)*$/u;

/**
 * Recognises a decoder.
 * @throws {FastvError} `unsupported-decoder` with what was expected and where
 * @example
 * const { layers } = recogniseDecoder(decodeModel(bytes));
 */
export function recogniseDecoder(model: OnnxModel): Decoder {
  checkSize(model);
  const given = new GraphView(model.graph);
  const opset = defaultOpset(model);
  checkOperators(model);
  checkInputs(given);
  const whole = wholeCaches(model, given);
  const graph = whole.changed ? new GraphView(whole.model.graph) : given;
  return {
    model: whole.model,
    graph,
    opset,
    layers: findLayers(graph),
    positionAxes: positionAxes(graph),
    ...tokenInputs(graph),
  };
}

/** A layer's attention. @throws {FastvError} `unsupported-decoder` if the layer has none */
export function attentionOf(decoder: Decoder, index: number): AttentionCore {
  const core = decoder.layers[index]?.attention;
  if (core !== undefined) return core;
  const others = decoder.layers
    .filter(({ attention }) => attention !== undefined)
    .map((layer) => layer.index + 1);
  throw new FastvError(
    'unsupported-decoder',
    `layer ${index} has no attention, so K = ${index + 1} has nothing to cut after`,
    {
      where: `layer ${index}`,
      hint: `Choose K among ${others.slice(0, -1).join(', ')}.`,
    },
  );
}

/** How many inputs the nodes of a graph have in all. */
export function inputCount({ graph }: OnnxModel): number {
  return graph.node.reduce((sum, { input }) => sum + input.length, 0);
}

function checkSize(model: OnnxModel): void {
  const [nodes, inputs] = [model.graph.node.length, inputCount(model)];
  if (nodes <= MOST.nodes && inputs <= MOST.inputs) return;
  throw new FastvError(
    'unsupported-decoder',
    `the graph has ${nodes} nodes with ${inputs} inputs; at most ${MOST.nodes} with ${MOST.inputs} are read`,
    { where: 'graph', hint: 'Decoders have some thousand nodes: export it again.' },
  );
}

function defaultOpset(model: ModelProto): number {
  const version = opsetOf(model);
  if (version < MIN_OPSET) {
    throw new FastvError(
      'unsupported-decoder',
      `the model uses opset ${version}; the rewrite needs ${MIN_OPSET} or later`,
      {
        where: 'opset_import',
        hint: 'Export the model again, or convert it with the ONNX version converter.',
      },
    );
  }
  return version;
}

function checkInputs(graph: GraphView): void {
  const names = [...graph.inputs.keys()];
  const refuse = (message: string, hint: string): FastvError =>
    new FastvError('unsupported-decoder', message, { where: 'graph inputs', hint });
  for (const added of ADDED) {
    if (graph.inputs.has(added) || graph.initializers.has(added) || graph.producer(added) !== undefined) {
      throw refuse(
        `the graph already has ${graph.inputs.has(added) ? 'an input' : 'a tensor'} "${added}"`,
        'This decoder is rewritten already: start from the original.',
      );
    }
  }
  if (names.some((name) => name === 'pixel_values' || name.startsWith('image'))) {
    throw refuse(
      `this is a vision encoder (its inputs are ${list(names)}), not a decoder`,
      'Give the decoder: decoder_model_merged.onnx in most exports.',
    );
  }
  if (names.includes('use_cache_branch')) {
    throw refuse(
      'this decoder holds two graphs in one If node ("use_cache_branch")',
      'Export it as one graph with past_key_values of length 0 at the first call.',
    );
  }
  if (names.some((name) => name.includes('encoder'))) {
    throw refuse(
      'this is the decoder of an encoder-decoder model',
      'FastV prunes decoders that see the image as tokens.',
    );
  }
  if (!graph.inputs.has(EMBEDS)) {
    const hint = names.includes('input_ids')
      ? 'Export the decoder without its embedding, so that image features can take their places.'
      : 'Give the decoder of a vision-language model.';
    throw refuse(`the graph has no input "${EMBEDS}"; its inputs are ${list(names)}`, hint);
  }
  if (!graph.inputs.has(ATTENTION_MASK)) {
    throw refuse(
      `the graph has no input "${ATTENTION_MASK}"`,
      'Export it with an attention mask [batch, total sequence].',
    );
  }
  if (!graph.outputs.has('logits')) {
    throw refuse(
      `the graph has no output "logits"; its outputs are ${list([...graph.outputs.keys()])}`,
      'Give a decoder.',
    );
  }
}

function findLayers(graph: GraphView): Layer[] {
  const states = new Map<number, string[]>();
  for (const name of graph.inputs.keys()) {
    const match = PAST.exec(name);
    if (match === null) continue;
    const index = Number(match[1]);
    if (index > 4096)
      throw new FastvError('unsupported-decoder', `there is no layer ${index}`, {
        where: name,
        hint: 'Check the name of this input.',
      });
    states.set(index, [...(states.get(index) ?? []), name]);
  }
  const count = Math.max(-1, ...states.keys()) + 1;
  if (count === 0) {
    throw new FastvError('unsupported-decoder', 'the graph has no KV cache (past_key_values.0.key, …)', {
      where: 'graph inputs',
      hint: 'Export the decoder with a KV cache ("text-generation-with-past").',
    });
  }
  return Array.from({ length: count }, (_, index) => {
    const pastStates = states.get(index) ?? [];
    const presentStates = pastStates.map((past) => presentName(graph, past));
    const pastKey = pastStates.find((name) => name.endsWith('.key'));
    const pastValue = pastStates.find((name) => name.endsWith('.value'));
    const hasCache = pastKey !== undefined && pastValue !== undefined;
    for (const state of pastStates) {
      if (!hasCache || (state !== pastKey && state !== pastValue)) checkFixedSize(graph, state, index);
    }
    if (!hasCache) return { index, attention: undefined, pastStates, presentStates };
    const cache = {
      layer: index,
      pastKey,
      pastValue,
      presentKey: presentName(graph, pastKey),
      presentValue: presentName(graph, pastValue),
    };
    return { index, attention: findAttention(graph, cache), pastStates, presentStates };
  });
}

/**
 * A state that is no key or value cache must have the same size after every token, as those of convolutions and
 * recurrences do: where one that grows has its tokens, and which of them see which, is not known.
 */
function checkFixedSize(graph: GraphView, state: string, layer: number): void {
  const lengths = [...graph.inputs]
    .filter(([name]) => PAST.test(name) && name.endsWith('.key'))
    .map(([, info]) => symbols(info)[2]);
  const grows = symbols(graph.inputs.get(state)).find(
    (symbol) => symbol !== undefined && lengths.includes(symbol),
  );
  if (grows === undefined) return;
  throw new FastvError(
    'unsupported-decoder',
    `the state "${state}" grows by "${grows}" as a key/value cache does, but is neither`,
    {
      where: `layer ${layer}`,
      hint: 'Expected past_key_values.N.key and past_key_values.N.value, or states of a fixed size.',
    },
  );
}

/** `past_key_values.3.key` → `present.3.key`, `past_conv.3` → `present_conv.3`. */
function presentName(graph: GraphView, past: string): string {
  const candidates = [past.replace(/^past_key_values/u, 'present'), past.replace(/^past/u, 'present')];
  const found = candidates.find((name) => graph.outputs.has(name));
  if (found === undefined) {
    throw new FastvError(
      'unsupported-decoder',
      `the state "${past}" comes in, but no output "${candidates[0] ?? ''}" carries it on`,
      {
        where: past,
        hint: 'Export the decoder with every cache among its outputs.',
      },
    );
  }
  return found;
}

function positionAxes(graph: GraphView): 2 | 3 | undefined {
  const info = graph.inputs.get(POSITION_IDS);
  if (info === undefined) return undefined;
  const axes = rank(info);
  if (axes !== 2 && axes !== 3) {
    throw new FastvError(
      'unsupported-decoder',
      `"${POSITION_IDS}" has ${axes ?? 'an unknown number of'} axes; expected [batch, sequence] or [3, batch, sequence]`,
      {
        where: POSITION_IDS,
        hint: 'Export the decoder with one of these.',
      },
    );
  }
  return axes;
}

/** Inputs other than the known ones: per-token ones are pruned along, scalars and lists are left alone. */
function tokenInputs(graph: GraphView): Pick<Decoder, 'tokenInputs' | 'tokenFacts'> {
  const embeds = symbols(graph.inputs.get(EMBEDS));
  const known = new Set([EMBEDS, ATTENTION_MASK, POSITION_IDS]);
  const found: string[] = [];
  const facts: string[] = [];
  for (const [name, info] of graph.inputs) {
    if (known.has(name) || PAST.test(name) || (rank(info) ?? 9) < 2) continue;
    const own = symbols(info);
    if (own[0] !== undefined && own[0] === embeds[0] && own[1] !== undefined && own[1] === embeds[1]) {
      const integers = rank(info) === 2 && INTEGERS.has(declaredType(info));
      (integers ? facts : found).push(name);
      continue;
    }
    throw new FastvError(
      'unsupported-decoder',
      `the rewrite does not know how the input "${name}" relates to the tokens`,
      {
        where: name,
        hint: `Expected a scalar, a list, or [batch, sequence, …] with the axis names of ${EMBEDS}.`,
      },
    );
  }
  return { tokenInputs: found, tokenFacts: facts };
}

const INTEGERS: ReadonlySet<number | undefined> = new Set([DataType.INT64, DataType.INT32, DataType.BOOL]);

function rank(info: ValueInfoProto): number | undefined {
  const type = info.type?.value;
  return type?.case === 'tensorType' ? type.value.shape?.dim.length : undefined;
}

function symbols(info: ValueInfoProto | undefined): (string | undefined)[] {
  const type = info?.type?.value;
  if (type?.case !== 'tensorType') return [];
  return (type.value.shape?.dim ?? []).map(({ value }) =>
    value.case === 'dimParam' ? value.value : undefined,
  );
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 6).map((name) => JSON.stringify(name));
  return shown.join(', ') + (names.length > shown.length ? ', …' : '');
}
