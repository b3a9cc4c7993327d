// The tokens between two cuts, and what the graph's tensors are called for them. Edges that cross a cut are of two sorts:
//
// 1. Activations depend on the values of the embeddings. They are carried over: only the kept tokens go on.
// 2. The prologue (masks, lengths, positions, rotary tables) does not. It is made again for the shorter sequence, with
//    substitutes for what it starts from:
//    - Shape of an activation → the same shape with the shorter sequence,
//    - attention_mask → the mask of the kept sequence,
//    - position_ids → the kept tokens' own positions where they steer rotation; where they steer a mask, the places in
//      the kept sequence, because masks compare them with places in the cache,
//    - positions that the graph computes itself → the same, gathered,
//    - a KV cache of an earlier stage → the first one of this stage, which has this sequence's length.
import type { AttentionCore } from '../decoder/attention/core.js';
import { ATTENTION_MASK, EMBEDS, POSITION_IDS } from '../decoder/contract.js';
import { valueSource } from '../decoder/positions.js';
import { FastvError } from '../errors.js';
import { DataType, elementType, label, renameInputs, type Emitter, type NodeProto } from '../onnx/index.js';
import { meansOf, type Clusters } from './clusters.js';
import type { Partition } from './partition.js';
import { partOfShape, substitution } from './substitute.js';

type Purpose = 'rotation' | 'mask';

/** What is made of the clusters that tokens stand for. */
export interface ClusterUse {
  /** Whether the attention of later layers counts their sizes. */
  readonly weigh: boolean;
  /** Whether tokens take over the means of their clusters, in place of their own activations. */
  readonly merge: boolean;
}

interface SequenceClusters extends Clusters, ClusterUse {}

const FLOATS: ReadonlySet<DataType> = new Set([DataType.FLOAT, DataType.FLOAT16, DataType.BFLOAT16]);

export class Sequence {
  /** How many cuts lie before it. */
  readonly stage: number;
  readonly #before: Sequence | undefined;
  /** The places of its tokens in the sequence before: int64 [batch, kept]. */
  readonly #kept: string;
  readonly #partition: Partition;
  readonly #emit: Emitter;
  /** What these tokens stand for; undefined where each stands for itself. */
  readonly #clusters: SequenceClusters | undefined;
  /** Activations that are there for these tokens under other names. */
  readonly #copies: ReadonlyMap<string, string>;
  readonly #gathered = new Map<string, string>();
  readonly #prologue: Readonly<Record<Purpose, (tensor: string) => string>>;
  readonly #withFullPast: (tensor: string) => string;

  private constructor(
    partition: Partition,
    emit: Emitter,
    before: Sequence | undefined,
    kept: string,
    copies: ReadonlyMap<string, string>,
    clusters?: SequenceClusters,
  ) {
    this.#clusters = clusters;
    this.stage = before === undefined ? 0 : before.stage + 1;
    this.#partition = partition;
    this.#emit = emit;
    this.#before = before;
    this.#kept = kept;
    this.#copies = copies;
    const { graph } = partition.decoder;
    const changes = (purpose: Purpose): ((tensor: string) => string) =>
      substitution(graph, emit, {
        leaf: (tensor) => this.#leaf(tensor, purpose),
        shapeOf: (node, source) => this.#shapeOf(node, source),
      });
    this.#prologue = { rotation: changes('rotation'), mask: changes('mask') };
    this.#withFullPast = this.#seeingFullPast();
  }

  /** All tokens of a call. */
  static whole(partition: Partition, emit: Emitter): Sequence {
    return new Sequence(partition, emit, undefined, '', new Map());
  }

  /**
   * The sequence that tokens of this one make.
   * @param kept their places here, ascending: int64 [batch, kept]
   * @param copies activations that are made for these tokens apart from the graph's own: it may grow
   * @param clusters what they stand for
   */
  after(
    kept: string,
    copies: ReadonlyMap<string, string> = new Map(),
    clusters?: SequenceClusters,
  ): Sequence {
    return new Sequence(this.#partition, this.#emit, this, kept, copies, clusters);
  }

  /** The sequence before the last cut. */
  get before(): Sequence {
    if (this.#before === undefined) throw new RangeError('no cut lies before the whole sequence');
    return this.#before;
  }

  /** The places of these tokens in the sequence before: int64 [batch, kept]. */
  get indices(): string {
    return this.#kept;
  }

  /** A node as it stands here: with these tokens' inputs, and rotation outside its attention operator. */
  inPlace(node: NodeProto): NodeProto {
    if (this.#before === undefined) return node;
    const rotates = node.opType === 'RotaryEmbedding';
    const renamed = renameInputs(node, (tensor) => this.resolve(tensor, rotates));
    const { graph } = this.#partition.decoder;
    const core = this.#partition.attentionAt(node);
    const placed =
      core?.rotation !== 'in-op' || core.kind.rotateOutside === undefined
        ? renamed
        : core.kind.rotateOutside(this.#emit, graph, core, renamed, this.inOpPositions(core));
    return this.#weighed(node, placed);
  }

  /** A node with the sizes of clusters in its attention: log(size) is added to the scores of each key of this call. */
  #weighed(original: NodeProto, node: NodeProto): NodeProto {
    if (this.#clusters?.weigh !== true) return node;
    const emit = this.#emit;
    const { layers, graph } = this.#partition.decoder;
    const core = layers.find(
      ({ attention }) => attention?.kind.biasedNode(attention) === original,
    )?.attention;
    if (core === undefined) return node;
    const past = emit.dim1(this.#pastKey(), 2);
    const none = emit.op('Expand', [emit.float(0), emit.concat([emit.dim1(this.#kept, 0), past], 0)]);
    return core.kind.biasKeys({
      emit,
      graph,
      core,
      node,
      bias: emit.concat([none, emit.op('Log', [this.#clusters.sizes])], 1),
      queries: emit.dim1(this.#kept, 1),
    });
  }

  /**
   * What a tensor of the original graph is called here.
   * @param rotates whether the tensor goes into a rotation, so that positions in it are the tokens' own
   */
  resolve(tensor: string, rotates = false): string {
    const { flow, decoder } = this.#partition;
    if (this.#before === undefined && this.#copies.size === 0) return tensor;
    if (decoder.graph.initializers.has(tensor)) return tensor;
    if (flow.isActivation(tensor)) return this.#activation(tensor);
    return this.#prologue[rotates || flow.isRotary(tensor) ? 'rotation' : 'mask'](tensor);
  }

  /**
   * An activation of a later stage for the tokens that are here: its nodes once more. It costs what they cost.
   * @param tensor a tensor of the original graph
   * @param goesIntoRotation as `rotates` of {@link resolve}
   */
  ahead(tensor: string, goesIntoRotation = false): string {
    const { graph } = this.#partition.decoder;
    const later = [...graph.ancestors([tensor])].filter((node) => this.#partition.stageOf(node) > this.stage);
    const copies = new Map<string, string>();
    const here = new Sequence(this.#partition, this.#emit, this.#before, this.#kept, copies);
    for (const node of graph.inOrder(later)) {
      const rotates = node.opType === 'RotaryEmbedding';
      const inputs = new Map(graph.inputsOf(node).map((name) => [name, here.resolve(name, rotates)]));
      for (const [old, copy] of this.#emit.copy(node, (name) => inputs.get(name) ?? name)) {
        copies.set(old, copy);
      }
    }
    return here.resolve(tensor, goesIntoRotation);
  }

  /**
   * An activation of the sequence before as these tokens take it over: the means of their clusters where those are merged.
   * @param axis that of its tokens, behind that of the batch; `rows`: axis 0 is batch · sequence
   * @param rank how many axes it has, where its tokens are not on axis 1
   * @param type its element type, as far as that is known
   */
  carry(activation: string, axis: number | 'rows', rank = 0, type?: DataType): string {
    if (axis === 1) return this.#take(activation, type);
    const emit = this.#emit;
    if (axis === 'rows') {
      if (this.#clusters?.merge !== true) return emit.gather(activation, this.#rows(), 0);
      const shape = emit.op('Shape', [activation]);
      const rest = emit.slice(shape, emit.ints(1), emit.ints(Number.MAX_SAFE_INTEGER), 0);
      const batch = emit.dim1(this.#kept, 0);
      const taken = this.#take(emit.reshape(activation, emit.concat([batch, emit.ints(-1), rest], 0)), type);
      return emit.reshape(taken, emit.concat([emit.ints(-1), rest], 0));
    }
    // [stack, batch, sequence, …]: the tokens come first, are taken, and go back.
    const all = Array.from({ length: rank }, (_, i) => i);
    const order = [axis - 1, axis, ...all.filter((i) => i !== axis - 1 && i !== axis)];
    const back = all.map((i) => order.indexOf(i));
    return emit.transpose(this.#take(emit.transpose(activation, ...order), type), ...back);
  }

  /** An activation [batch, sequence, …] of the sequence before for these tokens. */
  #take(activation: string, type: DataType | undefined): string {
    const kept = this.gather(activation);
    if (this.#clusters?.merge !== true || (type !== undefined && !FLOATS.has(type))) return kept;
    const { layers } = this.#partition.decoder;
    // Far from the inputs a type cannot be told by walking back; the stream is of one type, that of its attention.
    const known = type ?? layers.find(({ attention }) => attention !== undefined)?.attention?.elementType;
    return meansOf(this.#emit, this.#clusters, activation, kept, known ?? DataType.FLOAT);
  }

  /** What is known of each token of the sequence before, [batch, sequence, …], for these tokens only. */
  gather(tensor: string): string {
    const known = this.#gathered.get(tensor);
    if (known !== undefined) return known;
    const emit = this.#emit;
    const shape = emit.op('Shape', [tensor]);
    const rest = emit.slice(shape, emit.ints(2), emit.ints(Number.MAX_SAFE_INTEGER), 0);
    const rows = emit.reshape(tensor, emit.concat([emit.ints(-1), rest], 0));
    const gathered = emit.gather(rows, this.#rows(), 0);
    this.#gathered.set(tensor, gathered);
    return gathered;
  }

  /** The number of tokens: int64 scalar. */
  length(): string {
    return this.#emit.dim(this.#before === undefined ? EMBEDS : this.#kept, 1);
  }

  /** The attention mask over cache and sequence: int64 [batch, total]. */
  mask(): string {
    return this.#before === undefined
      ? ATTENTION_MASK
      : this.#emit.concat([this.#pastMask(), this.newMask()], 1);
  }

  /** The attention mask of this call's tokens only: [batch, sequence]. */
  newMask(): string {
    if (this.#before !== undefined) return this.gather(this.#before.newMask());
    const emit = this.#emit;
    return emit.slice(ATTENTION_MASK, this.#fullPast(), emit.ints(Number.MAX_SAFE_INTEGER), 1);
  }

  /** The tokens' own positions, with the axes of position_ids. */
  positions(): string {
    if (this.#before === undefined) return POSITION_IDS;
    const before = this.#before.positions();
    if (this.#partition.decoder.positionAxes === 2) return this.gather(before);
    // mRoPE: [3, batch, sequence].
    const emit = this.#emit;
    return emit.transpose(this.gather(emit.transpose(before, 1, 2, 0)), 2, 0, 1);
  }

  /** What an input says of these tokens: [batch, sequence]. */
  #fact(name: string): string {
    return this.#before === undefined ? name : this.gather(this.#before.#fact(name));
  }

  /** The positions by which an operator with rotation inside rotates: int64 [batch, sequence]. */
  inOpPositions(core: AttentionCore): string {
    if (this.#before !== undefined) return this.gather(this.#before.inOpPositions(core));
    if (core.kind.positions === undefined) throw new RangeError(`${core.kind.name} rotates nothing`);
    return core.kind.positions(this.#emit, this.#partition.decoder.graph, core);
  }

  /** The tokens' places in the flattened [batch · sequence] rows of the sequence before: int64 [batch, kept]. */
  #rows(): string {
    const emit = this.#emit;
    const batch = emit.range(emit.dim(this.#kept, 0));
    const starts = emit.unsqueeze(emit.op('Mul', [batch, this.before.length()]), 1);
    return emit.op('Add', [this.#kept, starts]);
  }

  /** Padded places are never dropped and lie on the left, so their number is all that the past must be known for. */
  #pastMask(): string {
    const emit = this.#emit;
    const attended = emit.slice(ATTENTION_MASK, emit.ints(0), this.#fullPast(), 1);
    const padded = emit.op('Sub', [this.#fullPast(), emit.reduce('ReduceSum', attended, [1], true)]);
    const places = emit.unsqueeze(emit.range(emit.dim(this.#pastKey(), 2)), 0);
    return emit.ones(emit.op('GreaterOrEqual', [places, padded]));
  }

  /** The unpruned past: the mask's length without this call's tokens; int64 [1]. */
  #fullPast(): string {
    const emit = this.#emit;
    return emit.op('Sub', [emit.dim1(ATTENTION_MASK, 1), emit.dim1(EMBEDS, 1)]);
  }

  #pastKey(): string {
    return this.#partition.pastKey(this.stage);
  }

  #activation(tensor: string): string {
    const copy = this.#copies.get(tensor);
    if (copy !== undefined) return copy;
    const { flow } = this.#partition;
    if (this.#before === undefined || this.#partition.home(tensor) >= this.stage) return tensor;
    this.#partition.refuseShared(tensor);
    const axis = flow.sequenceAxis(tensor);
    if (axis === 'none') return tensor;
    const type = elementType(this.#partition.decoder.graph, tensor);
    return this.carry(this.#before.resolve(tensor), axis, flow.rank(tensor), type);
  }

  /** What the prologue starts from. */
  #leaf(tensor: string, purpose: Purpose): string | undefined {
    const { decoder, flow } = this.#partition;
    if (flow.isActivation(tensor)) return tensor;
    if (this.#before === undefined) return decoder.graph.inputs.has(tensor) ? tensor : undefined;
    if (purpose === 'rotation' && flow.isPositionRoot(tensor)) return this.#rootPositions(tensor);
    // the kept tokens' positions go as far as those of all tokens
    if (purpose === 'rotation' && flow.isTable(tensor)) return this.#forWholePast(tensor);
    if (tensor === ATTENTION_MASK) return this.mask();
    // a tensor of the graph's own may have that name
    if (tensor === POSITION_IDS && decoder.positionAxes !== undefined)
      return purpose === 'rotation' ? this.positions() : this.#places();
    if (decoder.tokenFacts.includes(tensor)) return this.#fact(tensor);
    const layer = decoder.layers.find(({ pastStates }) => pastStates.includes(tensor));
    if (layer === undefined || this.#partition.stageOfLayer(layer.index) === this.stage) return undefined;
    if (!tensor.endsWith('.key') && !tensor.endsWith('.value')) {
      throw new FastvError(
        'unsupported-decoder',
        `layers after the cut depend on the shape of the state "${tensor}"`,
        { where: `layer ${layer.index}` },
      );
    }
    return this.#pastKey();
  }

  /** The shape of an activation from an earlier stage, with this sequence's length. */
  #shapeOf(node: NodeProto, tensor: string): string | undefined {
    const { flow } = this.#partition;
    const emit = this.#emit;
    const [output = ''] = node.output;
    if (!flow.isActivation(tensor)) return undefined;
    const copy = this.#copies.get(tensor);
    if (copy !== undefined) return emit.copy(node, () => copy).get(output);
    if (this.#before === undefined || this.#partition.home(tensor) >= this.stage) return output;
    const axis = flow.isHeadMajor(tensor) ? -2 : flow.sequenceAxis(tensor);
    if (node.opType !== 'Shape' || axis === 'none') {
      throw new FastvError(
        'unsupported-decoder',
        `${label(node)} looks across the cut in a way that is not understood`,
        { where: label(node) },
      );
    }
    const shape = emit.op('Shape', [tensor]);
    const end = emit.ints(Number.MAX_SAFE_INTEGER);
    const length = emit.reshape(this.length(), emit.ints(1));
    const [at, tokens] =
      axis === 'rows' ? [0, emit.op('Mul', [emit.dim1(EMBEDS, 0), length])] : [axis, length];
    const before = emit.slice(shape, emit.ints(0), emit.ints(at), 0);
    const shorter = emit.concat([before, tokens, emit.slice(shape, emit.ints(at + 1), end, 0)], 0);
    return partOfShape(emit, node, shorter);
  }

  /**
   * Positions that the graph computes itself, where it has no position_ids: gathered like those, from what they are
   * before the first cut. int64 [batch, sequence].
   */
  #rootPositions(root: string): string {
    if (this.#before !== undefined) return this.gather(this.#before.#rootPositions(root));
    const emit = this.#emit;
    return emit.op('Expand', [this.#forWholePast(root), emit.op('Shape', [this.newMask()])]);
  }

  /** What is counted from the cache, which at K = 0 is pruned too: the whole past is what the mask says. */
  #forWholePast(tensor: string): string {
    return this.#partition.cuts[0] === 0 ? this.#withFullPast(tensor) : tensor;
  }

  /** What gives prologue tensors that see the unpruned past, whatever length the caches have. */
  #seeingFullPast(): (tensor: string) => string {
    const { decoder, flow } = this.#partition;
    const { graph, layers } = decoder;
    const emit = this.#emit;
    const caches = new Set(
      layers.flatMap(({ attention: core }) => (core === undefined ? [] : [core.pastKey, core.pastValue])),
    );
    return substitution(graph, emit, {
      leaf: (name) => (flow.isActivation(name) ? name : undefined),
      shapeOf: (node, source) => {
        if (flow.isActivation(source)) return node.output[0];
        if (node.opType !== 'Shape' || !caches.has(valueSource(graph, source))) return undefined;
        const shape = emit.op('Shape', [source]);
        const head = emit.slice(shape, emit.ints(0), emit.ints(2), 0);
        const size = emit.slice(shape, emit.ints(3), emit.ints(4), 0);
        return partOfShape(emit, node, emit.concat([head, this.#fullPast(), size], 0));
      },
    });
  }

  /** The tokens' places in this sequence, with the axes of position_ids. */
  #places(): string {
    const emit = this.#emit;
    const past = emit.dim(this.#pastKey(), 2);
    const places = emit.op('Add', [past, emit.range(this.length())]);
    return emit.op('Expand', [places, emit.op('Shape', [this.positions()])]);
  }
}
