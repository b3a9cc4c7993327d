// The cut itself. Each pruning stage divides the graph: what the attention of layer K−1 needs lies before it (one
// region), the rest after it (the next region, on a shorter sequence). Edges that cross a cut are of two sorts:
//
// 1. Activations depend on the values of the embeddings. They are gathered: only the kept tokens go on.
// 2. The prologue (masks, lengths, positions, rotary tables) does not. Its nodes are copied for the shorter sequence,
//    with substitutes for what they start from:
//    - Shape of an activation → the same shape with the shorter sequence,
//    - attention_mask → the mask of the kept sequence,
//    - position_ids → the kept tokens' own positions where they steer rotation; where they steer a mask, the places in
//      the kept sequence, because masks compare them with places in the cache,
//    - positions that the graph computes itself → the same, gathered,
//    - a KV cache of an earlier region → the first one of this region, which has this region's length.
import type { NodeProto } from 'onnx-buf';
import { FastvError } from '../errors.js';
import { DataType, intAttribute, label, renameInputs, type Emitter, type GraphView } from '../onnx/index.js';
import { ATTENTION_MASK, EMBEDS, POSITION_IDS } from '../decoder/contract.js';
import type { AttentionCore } from '../decoder/attention/core.js';
import { type Decoder } from '../decoder/decoder.js';
import { dependents, prologueOf, rotaryTensors, SHAPE_ONLY } from '../decoder/dependence.js';
import { positionRoots, valueSource } from '../decoder/positions.js';
import { SequenceAxes, type SequenceAxis } from '../decoder/sequence-axis.js';

type Purpose = 'rotation' | 'mask';

/** The tokens that a stage kept. */
export interface Kept {
  /** Their places in the sequence before the stage, ascending: int64 [batch, kept]. */
  readonly indices: string;
  /** The same places in the flattened [batch · sequence] rows. */
  readonly rows: string;
}

/** A tensor that is there with the tokens of a region before it is gathered. */
interface EarlyTensor {
  readonly region: number;
  readonly tensor: string;
}

/** A decoder's graph divided by pruning stages. Region 0 lies before the first cut. */
export class Regions {
  readonly #decoder: Decoder;
  readonly #emit: Emitter;
  /** K of each stage. */
  readonly #stages: readonly number[];
  readonly #activations: ReadonlySet<string>;
  readonly #region: Map<NodeProto, number>;
  readonly #axes: SequenceAxes;
  /** Attention's results before their Transpose: [batch, heads, sequence, head size], or with batch and heads in one. */
  readonly #headMajor: ReadonlySet<string>;
  /** Prologue tensors that carry rotations. */
  readonly #rotary: ReadonlySet<string>;
  readonly #positionRoots: ReadonlySet<string>;
  readonly #kept: Kept[];
  readonly #order: ReadonlyMap<NodeProto, number>;
  readonly #memo: Map<string, string>;
  /** Activations of an earlier region that are there with a region's own tokens only, so that nothing is gathered. */
  readonly #early: Map<string, EarlyTensor>;

  /** @param origin regions of the same graph to go on from */
  constructor(decoder: Decoder, emit: Emitter, stages: readonly number[], origin?: Regions) {
    this.#decoder = decoder;
    this.#emit = emit;
    this.#stages = stages;
    this.#kept = origin === undefined ? [] : [...origin.#kept];
    this.#memo = origin === undefined ? new Map<string, string>() : new Map(origin.#memo);
    this.#early = origin === undefined ? new Map<string, EarlyTensor>() : new Map(origin.#early);
    if (origin !== undefined) {
      this.#activations = origin.#activations;
      this.#order = origin.#order;
      this.#region = origin.#region;
      this.#rotary = origin.#rotary;
      this.#positionRoots = origin.#positionRoots;
      this.#axes = origin.#axes;
      this.#headMajor = origin.#headMajor;
      return;
    }
    const { graph, layers } = decoder;
    const sources = [EMBEDS, ...decoder.tokenInputs];
    const { nodes, tensors } = dependents(graph, sources);
    this.#activations = tensors;
    this.#order = new Map(graph.nodes.map((node, i) => [node, i]));
    const before = stages.map((k) => {
      const done = layers.slice(0, k);
      const cut = done.at(-1)?.attention?.output;
      return graph.ancestors([...(cut === undefined ? [] : [cut]), ...done.flatMap((l) => l.presentStates)]);
    });
    this.#region = new Map(
      [...nodes].map((node) => [node, before.filter((set) => !set.has(node)).length] as const),
    );
    const outputs = layers.flatMap(({ attention }) => (attention === undefined ? [] : [attention.output]));
    this.#rotary = rotaryTensors(graph, tensors);
    this.#positionRoots = positionRoots(graph, tensors);
    this.#axes = new SequenceAxes(graph, tensors, [...sources, ...outputs]);
    this.#headMajor = new Set(layers.flatMap(({ attention }) => headMajor(graph, attention)));
  }

  /** The region of an activation's node; 0 for the prologue. */
  regionOf(node: NodeProto): number {
    return this.#region.get(node) ?? 0;
  }

  /** The region that a layer's cache belongs to. */
  regionOfLayer(index: number): number {
    return this.#stages.filter((k) => k <= index).length;
  }

  /** Opens the next region with the tokens that its stage kept. */
  enter(kept: Kept): void {
    this.#kept.push(kept);
  }

  /** The same regions with other tokens in the next one. What is made for it stays apart. */
  fork(kept: Kept): Regions {
    const other = new Regions(this.#decoder, this.#emit, this.#stages, this);
    other.enter(kept);
    return other;
  }

  /** Gives tensors of earlier regions that hold a region's own tokens already. */
  replace(region: number, tensors: ReadonlyMap<string, string>): void {
    for (const [original, tensor] of tensors) this.#early.set(original, { region, tensor });
  }

  /** The places of a region's tokens in the sequence of the region before: int64 [batch, kept]. */
  indices(region: number): string {
    return this.#keptIn(region).indices;
  }

  /** Whether a tensor of the original graph depends on the embeddings' values. */
  isActivation(tensor: string): boolean {
    return this.#activations.has(tensor);
  }

  /** Whether a tensor of the prologue carries rotations. */
  isRotary(tensor: string): boolean {
    return this.#rotary.has(tensor);
  }

  /** @throws {FastvError} `unsupported-decoder` where the sequence axis of an activation is unclear */
  sequenceAxis(tensor: string): SequenceAxis {
    return this.#axes.of(tensor);
  }

  /** A node as it stands in its region: with inputs of that region, and rotation outside its attention operator. */
  inRegion(node: NodeProto): NodeProto {
    const region = this.regionOf(node);
    if (region === 0) return node;
    const rotates = node.opType === 'RotaryEmbedding';
    const renamed = renameInputs(node, (tensor) => this.resolve(tensor, region, rotates));
    const core = this.#decoder.layers.find(({ attention }) => attention?.node === node)?.attention;
    if (core?.rotation !== 'in-op' || core.kind.rotateOutside === undefined) return renamed;
    const positions = this.inOpPositions(core, region);
    return core.kind.rotateOutside(this.#emit, this.#decoder.graph, core, renamed, positions);
  }

  /**
   * What a tensor of the original graph is called in a region.
   * @param rotates whether the tensor goes into a rotation, so that positions in it are the tokens' own
   */
  resolve(tensor: string, region: number, rotates = false): string {
    if (region === 0 || this.#decoder.graph.initializers.has(tensor)) return tensor;
    if (this.#activations.has(tensor)) return this.#activation(tensor, region);
    const purpose = rotates || this.#rotary.has(tensor) ? 'rotation' : 'mask';
    return this.#prologue(tensor, region, purpose);
  }

  /** Any tensor [batch, sequence of the region before, …] with the kept tokens only. */
  gather(tensor: string, region: number): string {
    return this.#once(`gather ${region} ${tensor}`, () => {
      const emit = this.#emit;
      const shape = emit.op('Shape', [tensor]);
      const rest = emit.slice(shape, emit.ints(2), emit.ints(Number.MAX_SAFE_INTEGER), 0);
      const rows = emit.reshape(tensor, emit.concat([emit.ints(-1), rest], 0));
      return emit.gather(rows, this.#keptIn(region).rows, 0);
    });
  }

  /** The length of a region's sequence: int64 scalar. */
  sequenceLength(region: number): string {
    return this.#once(`length ${region}`, () =>
      this.#emit.dim(region === 0 ? EMBEDS : this.#keptIn(region).indices, 1),
    );
  }

  /** The attention mask over a region's cache and sequence: int64 [batch, total]. */
  mask(region: number): string {
    if (region === 0) return ATTENTION_MASK;
    return this.#once(`mask ${region}`, () => {
      const emit = this.#emit;
      return emit.concat([this.#pastMask(region), this.newMask(region)], 1);
    });
  }

  /** The attention mask of this call's tokens only: [batch, sequence]. */
  newMask(region: number): string {
    return this.#once(`new mask ${region}`, () => {
      if (region > 0) return this.gather(this.newMask(region - 1), region);
      const emit = this.#emit;
      return emit.slice(ATTENTION_MASK, this.#fullPast(), emit.ints(Number.MAX_SAFE_INTEGER), 1);
    });
  }

  /** The positions by which an operator with rotation inside rotates: int64 [batch, sequence]. */
  inOpPositions(core: AttentionCore, region: number): string {
    if (region > 0) return this.gather(this.inOpPositions(core, region - 1), region);
    if (core.kind.positions === undefined) throw new RangeError(`${core.kind.name} rotates nothing`);
    return core.kind.positions(this.#emit, core);
  }

  /** The cache whose length is a region's past: that of its first layer with attention. */
  pastKey(region: number): string {
    const layer = this.#decoder.layers.find(
      ({ index, attention }) => attention !== undefined && this.regionOfLayer(index) === region,
    );
    if (layer?.attention === undefined) {
      const k = this.#stages[region - 1] ?? 0;
      throw new FastvError(
        'unsupported-decoder',
        `no layer from ${k} on has attention, so there is nothing to prune for`,
        {
          where: `layer ${k}`,
          hint: 'Choose a smaller K.',
        },
      );
    }
    return layer.attention.pastKey;
  }

  /** Padded places are never dropped and lie on the left, so their number is all that the past must be known for. */
  #pastMask(region: number): string {
    const emit = this.#emit;
    const attended = emit.slice(ATTENTION_MASK, emit.ints(0), this.#fullPast(), 1);
    const padded = emit.op('Sub', [this.#fullPast(), emit.reduce('ReduceSum', attended, [1], true)]);
    const places = emit.unsqueeze(emit.range(emit.dim(this.pastKey(region), 2)), 0);
    return emit.cast(emit.op('GreaterOrEqual', [places, padded]), DataType.INT64);
  }

  /** The unpruned past: the mask's length without this call's tokens; int64 [1]. */
  #fullPast(): string {
    return this.#once('full past', () => {
      const emit = this.#emit;
      return emit.op('Sub', [emit.dim1(ATTENTION_MASK, 1), emit.dim1(EMBEDS, 1)]);
    });
  }

  #activation(tensor: string, region: number): string {
    const early = this.#early.get(tensor);
    if (early?.region === region) return early.tensor;
    if (early !== undefined && early.region < region) {
      return this.gather(this.#activation(tensor, region - 1), region);
    }
    const node = this.#decoder.graph.producer(tensor);
    const home = node === undefined ? 0 : this.regionOf(node);
    if (home >= region) return tensor;
    this.#refuseShared(tensor);
    const axis = this.#axes.of(tensor);
    if (axis === 'none') return tensor;
    const before = this.#activation(tensor, region - 1);
    if (axis === 1) return this.gather(before, region);
    if (axis === 'rows') return this.#emit.gather(before, this.#keptIn(region).rows, 0);
    // [stack, batch, sequence, …]: the tokens come first, are gathered, and go back.
    const all = Array.from({ length: this.#axes.rank(tensor) ?? 0 }, (_, i) => i);
    const order = [axis - 1, axis, ...all.filter((i) => i !== axis - 1 && i !== axis)];
    const back = all.map((i) => order.indexOf(i));
    return this.#emit.transpose(this.gather(this.#emit.transpose(before, ...order), region), ...back);
  }

  /** Layers that share another one's keys and values, as in Gemma 4, must lie on the same side of the cut as that one. */
  #refuseShared(tensor: string): void {
    const owner = this.#decoder.layers.find(({ attention: core }) =>
      [core?.keys, core?.presentKey, core?.presentValue].includes(tensor),
    );
    if (owner === undefined) return;
    throw new FastvError(
      'unsupported-decoder',
      `layers after the cut use the keys and values of layer ${owner.index}, which hold every token`,
      { where: `layer ${owner.index}`, hint: `Choose K ≤ ${owner.index}.` },
    );
  }

  #prologue(tensor: string, region: number, purpose: Purpose): string {
    const { graph } = this.#decoder;
    const key = (name: string): string => `prologue ${region} ${purpose} ${name}`;
    const known = (name: string): string | undefined => this.#memo.get(key(name));
    const isRoot = (name: string): boolean => purpose === 'rotation' && this.#positionRoots.has(name);
    const ends = (name: string): boolean =>
      known(name) !== undefined || this.#activations.has(name) || isRoot(name);
    const nodes = [...prologueOf(graph, [tensor], ends)];
    nodes.sort((a, b) => (this.#order.get(a) ?? 0) - (this.#order.get(b) ?? 0));
    const rename = (name: string): string =>
      known(name) ?? (isRoot(name) ? this.#rootPositions(name, region) : this.#source(name, region, purpose));
    for (const node of nodes) {
      const copies = this.#copyFor(node, region, rename);
      for (const output of node.output) this.#memo.set(key(output), copies.get(output) ?? output);
    }
    return rename(tensor);
  }

  /** Copies a prologue node if any of its inputs is another one in this region. */
  #copyFor(node: NodeProto, region: number, rename: (tensor: string) => string): ReadonlyMap<string, string> {
    const { graph } = this.#decoder;
    const [input = ''] = node.input;
    if (SHAPE_ONLY.has(node.opType) && this.#activations.has(input)) {
      const producer = graph.producer(input);
      const home = producer === undefined ? 0 : this.regionOf(producer);
      return home >= region
        ? new Map()
        : new Map([[node.output[0] ?? '', this.#shorterShape(node, input, region)]]);
    }
    return graph.inputsOf(node).every((name) => rename(name) === name)
      ? new Map()
      : this.#emit.copy(node, rename);
  }

  /** What the prologue starts from: graph inputs and constants. */
  #source(name: string, region: number, purpose: Purpose): string {
    if (name === ATTENTION_MASK) return this.mask(region);
    if (name === POSITION_IDS) return purpose === 'rotation' ? this.#positions(region) : this.#places(region);
    const layer = this.#decoder.layers.find(({ pastStates }) => pastStates.includes(name));
    if (layer === undefined || this.regionOfLayer(layer.index) === region) return name;
    if (!name.endsWith('.key') && !name.endsWith('.value')) {
      throw new FastvError(
        'unsupported-decoder',
        `layers after the cut depend on the shape of the state "${name}"`,
        {
          where: `layer ${layer.index}`,
        },
      );
    }
    return this.pastKey(region);
  }

  /**
   * Positions that the graph computes itself, where it has no position_ids: gathered like those, from what they are
   * before the first cut. int64 [batch, sequence].
   */
  #rootPositions(root: string, region: number): string {
    return this.#once(`positions ${region} ${root}`, () => {
      if (region > 0) return this.gather(this.#rootPositions(root, region - 1), region);
      const emit = this.#emit;
      // Counted from the cache, which at K = 0 is pruned too: the whole past is what the mask says.
      const positions = this.#stages[0] === 0 ? this.#withFullPast(root) : root;
      return emit.op('Expand', [positions, emit.op('Shape', [this.newMask(0)])]);
    });
  }

  /** A copy of a prologue tensor that sees the unpruned past, whatever length the caches have. */
  #withFullPast(tensor: string): string {
    const { graph } = this.#decoder;
    const emit = this.#emit;
    const nodes = [...prologueOf(graph, [tensor], (name) => this.#activations.has(name))];
    nodes.sort((a, b) => (this.#order.get(a) ?? 0) - (this.#order.get(b) ?? 0));
    const renamed = new Map<string, string>();
    const rename = (name: string): string => renamed.get(name) ?? name;
    const isCache = (name: string): boolean =>
      this.#decoder.layers.some(
        ({ attention: core }) =>
          core !== undefined && [core.pastKey, core.pastValue].includes(valueSource(graph, name)),
      );
    for (const node of nodes) {
      const [input = ''] = node.input;
      if (node.opType === 'Shape' && isCache(input)) {
        const shape = emit.op('Shape', [input]);
        const head = emit.slice(shape, emit.ints(0), emit.ints(2), 0);
        const size = emit.slice(shape, emit.ints(3), emit.ints(4), 0);
        const full = emit.concat([head, this.#fullPast(), size], 0);
        renamed.set(node.output[0] ?? '', this.#partOfShape(node, full));
      } else if (graph.inputsOf(node).some((name) => rename(name) !== name)) {
        for (const [output, copy] of emit.copy(node, rename)) renamed.set(output, copy);
      }
    }
    return rename(tensor);
  }

  /** Shape of an activation from an earlier region, with this region's sequence length. */
  #shorterShape(node: NodeProto, tensor: string, region: number): string {
    const emit = this.#emit;
    const axis = this.#headMajor.has(tensor) ? -2 : this.#axes.of(tensor);
    if (node.opType !== 'Shape' || axis === 'none') {
      throw new FastvError(
        'unsupported-decoder',
        `${label(node)} looks across the cut in a way that is not understood`,
        {
          where: label(node),
        },
      );
    }
    const early = this.#early.get(tensor);
    if (early !== undefined && early.region <= region) {
      return this.#partOfShape(node, emit.op('Shape', [this.#activation(tensor, region)]));
    }
    const shape = emit.op('Shape', [tensor]);
    const end = emit.ints(Number.MAX_SAFE_INTEGER);
    const length = emit.reshape(this.sequenceLength(region), emit.ints(1));
    const tokens = axis === 'rows' ? emit.op('Mul', [emit.dim1(EMBEDS, 0), length]) : length;
    const at = axis === 'rows' ? 0 : axis;
    const shorter = emit.concat(
      [
        emit.slice(shape, emit.ints(0), emit.ints(at), 0),
        tokens,
        emit.slice(shape, emit.ints(at + 1), end, 0),
      ],
      0,
    );
    return this.#partOfShape(node, shorter);
  }

  /** The entries of a shape that a Shape node with start and end gives. */
  #partOfShape(node: NodeProto, shape: string): string {
    const emit = this.#emit;
    const from = intAttribute(node, 'start', 0);
    const to = intAttribute(node, 'end', Number.MAX_SAFE_INTEGER);
    if (from === 0 && to === Number.MAX_SAFE_INTEGER) return shape;
    return emit.slice(shape, emit.ints(from), emit.ints(to), 0);
  }

  /** The kept tokens' own positions, with the axes of position_ids. */
  #positions(region: number): string {
    if (region === 0) return POSITION_IDS;
    return this.#once(`positions ${region}`, () => {
      const before = this.#positions(region - 1);
      if (this.#decoder.positionAxes === 2) return this.gather(before, region);
      // mRoPE: [3, batch, sequence].
      const emit = this.#emit;
      return emit.transpose(this.gather(emit.transpose(before, 1, 2, 0), region), 2, 0, 1);
    });
  }

  /** The kept tokens' places in the kept sequence, with the axes of position_ids. */
  #places(region: number): string {
    return this.#once(`places ${region}`, () => {
      const emit = this.#emit;
      const past = emit.dim(this.pastKey(region), 2);
      const places = emit.op('Add', [past, emit.range(this.sequenceLength(region))]);
      return emit.op('Expand', [places, emit.op('Shape', [this.#positions(region)])]);
    });
  }

  #keptIn(region: number): Kept {
    const kept = this.#kept[region - 1];
    if (kept === undefined) throw new RangeError(`region ${region} is not open`);
    return kept;
  }

  #once(key: string, make: () => string): string {
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#memo.set(key, made);
    return made;
  }
}

/** What lies between an attention's product and the Transpose that puts the sequence on axis 1. */
function headMajor(graph: GraphView, core: AttentionCore | undefined): string[] {
  const tensors: string[] = [];
  let node = graph.producer(core?.output ?? '');
  while (node !== undefined && node !== core?.node) {
    const [from = ''] = node.input;
    tensors.push(from);
    node = graph.producer(from);
  }
  return tensors;
}
