// Makes a sweep run the layers before the cut once for all of its conditions, and not once for each:
//
//     node --import ./docs/results/strategies/shared-layers.mjs bin/fastv.js sweep --recipe strategies …
//
// Every rewritten decoder that ONNX Runtime is given is taken apart where it stops to be the original (fastv's own reader and
// writer do it). What is as it was, on nothing but what is as it was, is the trunk; the rest is a branch. A prefill's trunk is kept
// by what it is fed, so that only the branches are computed for each condition. Answers are those of the whole graphs: 5,696 of 5,696
// at K = 2 and 4, kept tokens and texts. Times of prefills are not: a trunk that was kept costs nothing. For Node, from a clone
// that is built.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  concatChunks,
  decodeModel,
  elementType,
  encodeModel,
  GraphProtoSchema,
  GraphView,
  NodeProtoSchema,
  toBinary,
  valueInfo,
  withFields,
  withGraph,
} from '../../../dist/onnx/index.js';
import { VisionCache } from '../../../dist/eval/vision-cache.js';

/** Bytes of trunks' results that are kept: a window of questions has some twenty batches, of up to 50 MB each. */
const KEPT_BYTES = 2 ** 30;

// the copy that Transformers.js loads
const beside = createRequire(import.meta.url);
const { InferenceSession } = createRequire(beside.resolve('@huggingface/transformers'))('onnxruntime-node');
const create = InferenceSession.create.bind(InferenceSession);
/** Nodes of the original decoder, by their bytes. */
let original;
/** The original's trunks, by the tensors that they compute. */
const trunks = new Map();

InferenceSession.create = async (source, options) => {
  if (typeof source === 'string' && /decoder_model_merged[^/]*\.onnx$/u.test(source)) {
    const { graph } = decodeModel(new Uint8Array(readFileSync(source)));
    original = new Set(graph.node.map(textOf));
    trunks.clear(); // another model has other weights under the same names
    return create(source, options);
  }
  if (!(source instanceof Uint8Array) || original === undefined) return create(source, options);
  const model = decodeModel(source);
  const view = new GraphView(model.graph);
  return view.inputs.has('image_token_mask') ? branch(model, view, source, options) : create(source, options);
};

function textOf(node) {
  return Buffer.from(toBinary(NodeProtoSchema, node)).toString('latin1');
}

/** The session of what is the decoder's own, and the trunk that it has in common with others, as one. */
async function branch(model, view, bytes, options) {
  const whole = await create(bytes, options);
  const { inputNames, outputNames, inputMetadata, outputMetadata } = whole;
  await whole.release();

  const { trunk, rest, between } = parted(view);
  const early = outputNames.filter((name) => trunk.has(view.producer(name)));
  const late = outputNames.filter((name) => !early.includes(name));
  const wanted = [...new Set([...between, ...early])];
  const shared = await trunkOf(model, view, options, trunk, wanted);
  const session = await create(part(model, view, rest, between, late), options);
  return joined(session, shared, wanted, { inputNames, outputNames, inputMetadata, outputMetadata });
}

/** A session that looks like the whole decoder's. Nothing of its graph is held: there are a hundred of them. */
function joined(session, shared, wanted, face) {
  const run = async (feeds) => {
    const given = await shared.run(feeds, wanted);
    const own = await session.run(
      Object.fromEntries(session.inputNames.map((name) => [name, given[name] ?? feeds[name]])),
    );
    return Object.fromEntries(face.outputNames.map((name) => [name, own[name] ?? given[name]]));
  };
  return new Proxy(session, {
    get(target, name) {
      if (name === 'run') return run;
      if (Object.hasOwn(face, name)) return face[name];
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The nodes that are the original's, those of the branch, and what goes from the ones to the others. */
function parted(view) {
  const trunk = new Set();
  const constant = new Set();
  for (const node of view.nodes) {
    const needs = view.inputsOf(node);
    const producers = needs.flatMap((name) => view.producer(name) ?? []);
    if (producers.every((one) => constant.has(one)) && !needs.some((name) => view.inputs.has(name))) constant.add(node);
    if (original.has(textOf(node)) && producers.every((one) => trunk.has(one))) trunk.add(node);
  }
  const rest = new Set(view.nodes.filter((node) => !trunk.has(node)));
  const between = new Set();
  // constants are in both: what is appended is visited as well
  for (const node of rest)
    for (const name of view.inputsOf(node)) {
      const producer = view.producer(name);
      if (!trunk.has(producer)) continue;
      if (constant.has(producer)) rest.add(producer);
      else between.add(name);
    }
  return { trunk, rest: view.inOrder(rest), between: [...between] };
}

/** The trunk that decoders with the same one share; it computes what any of them wants of it. */
async function trunkOf(model, view, options, nodes, wanted) {
  const name = [...nodes].flatMap(({ output }) => output).join('\n');
  const known = trunks.get(name) ?? new Trunk();
  trunks.set(name, known);
  await known.give(wanted, (outputs) => create(part(model, view, view.inOrder(nodes), [], outputs), options));
  return known;
}

class Trunk {
  #session;
  #outputs = new Set();
  #prefill;

  async give(wanted, make) {
    if (wanted.every((tensor) => this.#outputs.has(tensor))) return;
    for (const tensor of wanted) this.#outputs.add(tensor);
    await this.#session?.release();
    const session = await make([...this.#outputs]);
    this.#session = session;
    this.#prefill = new VisionCache(KEPT_BYTES).before((feeds) => session.run(feeds));
  }

  run(feeds, wanted) {
    const given = Object.fromEntries(this.#session.inputNames.map((input) => [input, feeds[input]]));
    // a step of decoding is fed caches that no other condition has
    return feeds.inputs_embeds.dims[1] === 1 ? this.#session.run(given, wanted) : this.#prefill(given);
  }
}

/** A model of some of the nodes. */
function part(model, view, nodes, inputs, outputs) {
  const used = new Set(nodes.flatMap((node) => view.inputsOf(node)));
  const info = (name) => valueInfo(name, elementType(view, name));
  const graph = withFields(GraphProtoSchema, model.graph, {
    node: nodes,
    input: [...model.graph.input.filter(({ name }) => used.has(name)), ...inputs.map(info)],
    output: outputs.map((name) => view.outputs.get(name) ?? info(name)),
    initializer: model.graph.initializer.filter(({ name }) => used.has(name)),
    valueInfo: [],
  });
  return concatChunks(encodeModel(withGraph(model, graph)));
}
