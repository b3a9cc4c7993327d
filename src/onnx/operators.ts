// Operators by the names that their schemas give to inputs and attributes, so that no code counts inputs, and a list of
// what is understood: an input or attribute that is set and not listed here may change what a node computes, and is
// refused by its name instead of being passed on unread.
//
// From the operators' documentation: onnx/docs/Operators.md (to opset 24) and onnxruntime/docs/ContribOperators.md
// (ONNX Runtime 1.30). Only operators whose inputs something reads are here; others are judged by their axis rules.
import {
  AttributeProto_AttributeType as AttributeType,
  NodeProtoSchema,
  type AttributeProto,
  type NodeProto,
} from './schema.js';
import { FastvError } from '../errors.js';
import { MICROSOFT } from './emit.js';
import { label } from './graph.js';
import { withFields } from './message.js';
import type { OnnxModel } from './read.js';

/** The newest version of each operator set whose operators are described here. */
const NEWEST: Readonly<Record<string, bigint>> = { '': 26n, [MICROSOFT]: 1n };

interface Schema<Input extends string = string> {
  /** Names of the inputs, in order. */
  readonly inputs: readonly Input[];
  readonly attributes: ReadonlySet<string>;
  /** Whether the last input may be repeated. */
  readonly variadic?: boolean;
  /** Inputs and attributes that are not understood when they are set, and what to do instead. */
  readonly refused?: Readonly<Record<string, string>>;
}

type Words<Text extends string> = Text extends `${infer First} ${infer Rest}` ? First | Words<Rest> : Text;

/** Of names with blanks between them. */
function schema<Inputs extends string>(
  inputs: Inputs,
  attributes = '',
  more: Pick<Schema, 'variadic' | 'refused'> = {},
): Schema<Words<Inputs>> {
  return {
    inputs: inputs.split(' ') as Words<Inputs>[],
    attributes: new Set(attributes.split(' ')),
    ...more,
  };
}

const QUANTISED_CACHE =
  'Its KV cache is quantised: build it with a cache in float (kv_cache_quant_type=none).';
const ONE_CACHE = 'Export the decoder with its past as past_key and past_value alone.';
const PRODUCT = 'transA transB alpha';
const reduction = (): Schema<'data' | 'axes'> => schema('data axes', 'axes keepdims noop_with_empty_axes');

/** By type; where two domains have one of the same type, Microsoft's has its domain in front. */
const OPERATORS = {
  // Attention.
  GroupQueryAttention: schema(
    'query key value past_key past_value seqlens_k total_sequence_length cos_cache sin_cache position_ids attention_bias head_sink k_scale v_scale q_norm_weight k_norm_weight',
    'num_heads kv_num_heads scale softcap local_window_size do_rotary rotary_interleaved smooth_softmax qk_output qk_norm_epsilon k_quant_type v_quant_type kv_cache_bit_width sliding_window_cache',
    {
      refused: {
        k_scale: QUANTISED_CACHE,
        v_scale: QUANTISED_CACHE,
        k_quant_type: QUANTISED_CACHE,
        v_quant_type: QUANTISED_CACHE,
        kv_cache_bit_width: QUANTISED_CACHE,
        sliding_window_cache:
          'Its KV cache is a ring of the last tokens: build the decoder with windowed_kv_cache=false.',
      },
    },
  ),
  MultiHeadAttention: schema(
    'query key value bias key_padding_mask attention_bias past_key past_value past_sequence_length cache_indirection',
    'num_heads scale mask_filter_value unidirectional',
    { refused: { past_sequence_length: ONE_CACHE, cache_indirection: ONE_CACHE } },
  ),
  Attention: schema(
    'Q K V attn_mask past_key past_value nonpad_kv_seqlen',
    'q_num_heads kv_num_heads scale softcap is_causal qk_matmul_output_mode softmax_precision',
    { refused: { nonpad_kv_seqlen: 'Export the decoder with an attn_mask instead.' } },
  ),
  // Rotation.
  RotaryEmbedding: schema('X cos_cache sin_cache position_ids', 'interleaved num_heads rotary_embedding_dim'),
  'com.microsoft.RotaryEmbedding': schema(
    'input position_ids cos_cache sin_cache',
    'interleaved is_packed_batching num_heads rotary_embedding_dim scale',
    { refused: { is_packed_batching: 'Export the decoder with rows of a batch apart, not packed.' } },
  ),
  // Products with weights.
  Conv: schema('X W B', 'auto_pad dilations group kernel_shape pads strides'),
  MatMul: schema('A B'),
  FusedMatMul: schema('A B', `${PRODUCT} transBatchA transBatchB`),
  Gemm: schema('A B C', `${PRODUCT} beta`),
  FusedGemm: schema('A B C', `${PRODUCT} beta activation activation_alpha activation_beta activation_gamma`),
  MatMulInteger: schema('A B a_zero_point b_zero_point'),
  MatMulIntegerToFloat: schema('A B a_scale b_scale a_zero_point b_zero_point bias'),
  DynamicQuantizeMatMul: schema('A B b_scale b_zero_point bias'),
  QLinearMatMul: schema('a a_scale a_zero_point b b_scale b_zero_point y_scale y_zero_point'),
  MatMulNBits: schema(
    'A B scales zero_points g_idx bias',
    'K N bits block_size accuracy_level weight_prepacked',
  ),
  MatMulBnb4: schema('A B absmax', 'K N block_size quant_type training_mode transB'),
  DequantizeLinear: schema('x x_scale x_zero_point', 'axis block_size output_dtype'),
  QLinearConv: schema(
    'x x_scale x_zero_point w w_scale w_zero_point y_scale y_zero_point B',
    'auto_pad dilations group kernel_shape pads strides channels_last',
  ),
  QGemm: schema(
    'A a_scale a_zero_point B b_scale b_zero_point C y_scale y_zero_point',
    'alpha transA transB',
  ),
  QAttention: schema(
    'input weight bias input_scale weight_scale mask_index input_zero_point weight_zero_point past',
    'num_heads unidirectional scale mask_filter_value do_rotary past_present_share_buffer',
  ),
  // Axes and shapes.
  Cast: schema('input', 'to saturate round_mode'),
  Concat: schema('inputs', 'axis', { variadic: true }),
  ConstantOfShape: schema('input', 'value'),
  Cos: schema('input'),
  Expand: schema('input shape'),
  Gather: schema('data indices', 'axis'),
  Identity: schema('input'),
  Neg: schema('X'),
  Range: schema('start limit delta'),
  ReduceMax: reduction(),
  ReduceMean: reduction(),
  ReduceMin: reduction(),
  ReduceSum: reduction(),
  Reshape: schema('data shape', 'allowzero'),
  ScatterND: schema('data indices updates', 'reduction'),
  Shape: schema('data', 'start end'),
  Sin: schema('input'),
  Size: schema('data'),
  Slice: schema('data starts ends axes steps'),
  Softmax: schema('input', 'axis'),
  Split: schema('input split', 'axis num_outputs'),
  Squeeze: schema('data axes', 'axes'),
  Tile: schema('input repeats'),
  Transpose: schema('data', 'perm'),
  Unsqueeze: schema('data axes', 'axes'),
  Where: schema('condition X Y'),
};

/** The names of the operators that are described here. */
export const OPERATOR_NAMES = Object.keys(OPERATORS) as readonly OperatorName[];

/** An operator that is described here. */
export type OperatorName = keyof typeof OPERATORS;

/** The names of an operator's inputs. */
export type InputOf<Op extends OperatorName> = (typeof OPERATORS)[Op]['inputs'][number];

/** A node that {@link isOperator} knows to be of this operator. */
export type OperatorNode<Op extends OperatorName> = NodeProto & { readonly [KNOWN]?: Op };

declare const KNOWN: unique symbol;

/** The schemas of the default domain by type, and those of Microsoft's, which has its own Attention besides others. */
const DEFAULT_DOMAIN: ReadonlyMap<string, Schema> = new Map(Object.entries(OPERATORS));
const CONTRIB: ReadonlyMap<string, Schema> = new Map(
  [...DEFAULT_DOMAIN]
    .filter(([name]) => name !== 'Attention')
    .map(([name, described]) => [name.replace(`${MICROSOFT}.`, ''), described]),
);

/** The description of a node's operator; undefined where there is none. */
function schemaOf({ domain, opType }: NodeProto): Schema | undefined {
  if (domain === MICROSOFT) return CONTRIB.get(opType);
  return domain === '' || domain === 'ai.onnx' ? DEFAULT_DOMAIN.get(opType) : undefined;
}

/**
 * Whether a node is of an operator.
 * @example
 * const attention = view.nodes.filter((node) => isOperator(node, 'GroupQueryAttention'));
 */
export function isOperator<Op extends OperatorName>(node: NodeProto, name: Op): node is OperatorNode<Op> {
  return schemaOf(node) === OPERATORS[name];
}

function inputNames(node: NodeProto): readonly string[] {
  const found = schemaOf(node);
  if (found === undefined) throw new RangeError(`${node.opType} is not described in operators.ts`);
  return found.inputs;
}

function place(node: NodeProto, name: string): number {
  const index = inputNames(node).indexOf(name);
  if (index < 0) throw new RangeError(`${node.opType} has no input ${name}`);
  return index;
}

/**
 * The tensor that a node takes as an input of its schema; '' where it takes none.
 * @example
 * if (isOperator(node, 'MatMulNBits')) console.log(input(node, 'zero_points'));
 */
export function input<Op extends OperatorName>(node: OperatorNode<Op>, name: InputOf<Op>): string {
  return node.input[place(node, name)] ?? '';
}

/**
 * What a node works on, whatever its operator calls that: its first input; '' where it has none.
 * @example
 * const cast = view.producer(firstInput(node));
 */
export function firstInput(node: NodeProto): string {
  return node.input[0] ?? '';
}

/**
 * What a node takes, by the names of its schema.
 * @example
 * for (const { name, tensor } of inputs(node)) console.log(name, tensor);
 */
export function inputs(node: NodeProto): { readonly name: string; readonly tensor: string }[] {
  const names = inputNames(node);
  return node.input.flatMap((tensor, i) =>
    tensor === '' ? [] : [{ name: names[i] ?? `number ${i}`, tensor }],
  );
}

/**
 * A copy of a node with some inputs changed; '' takes one away.
 * @example
 * const biased = withInputs(attention, { attention_bias: 'bias' });
 */
export function withInputs<Op extends OperatorName>(
  node: OperatorNode<Op>,
  changes: Partial<Readonly<Record<InputOf<Op>, string>>>,
): OperatorNode<Op> {
  const all = [...node.input];
  for (const [name, tensor] of Object.entries<string | undefined>(changes)) {
    const index = place(node, name);
    while (all.length <= index) all.push('');
    all[index] = tensor ?? '';
  }
  while (all.at(-1) === '') all.pop();
  return withFields(NodeProtoSchema, node, { input: all });
}

/**
 * A copy of a node without some attributes.
 * @example
 * const plain = withoutAttributes(node, 'local_window_size', 'softcap');
 */
export function withoutAttributes(node: NodeProto, ...names: readonly string[]): NodeProto {
  const attribute = node.attribute.filter(({ name }) => !names.includes(name));
  return withFields(NodeProtoSchema, node, { attribute });
}

/**
 * Checks that everything that is set on a model's nodes is understood.
 * @throws {FastvError} `unsupported-decoder`, naming the node, its input or attribute, and what to do
 * @example
 * checkOperators(decodeModel(bytes)); // or an error that names the node
 */
export function checkOperators(model: OnnxModel): void {
  for (const { domain, version } of model.opsetImport) {
    const newest = NEWEST[domain.replace('ai.onnx', '')];
    if (newest !== undefined && version > newest) {
      throw new FastvError(
        'unsupported-decoder',
        `the model uses version ${version} of the operator set "${domain === '' ? 'ai.onnx' : domain}"; ${newest} is the newest that is known`,
        { where: 'opset_import', hint: 'Export the model for an older one.' },
      );
    }
  }
  for (const node of model.graph.node) checkOperator(node);
}

/**
 * Checks one node.
 * @throws {FastvError} `unsupported-decoder`
 * @example
 * model.graph.node.forEach(checkOperator);
 */
export function checkOperator(node: NodeProto): void {
  const found = schemaOf(node);
  if (found === undefined) {
    if (OWN_DOMAINS.has(node.domain) || !Object.hasOwn(OPERATORS, node.opType)) return;
    throw new FastvError(
      'unsupported-decoder',
      `${label(node)} is of the domain "${node.domain}", which is not known`,
      {
        where: label(node),
        hint: "Expected ONNX's operators or ONNX Runtime's (com.microsoft): another domain's may do something else.",
      },
    );
  }
  const { inputs: names, attributes: known } = found;
  const refuse = (what: string, hint: string): FastvError =>
    new FastvError('unsupported-decoder', `${label(node)} has ${what}, which is not understood`, {
      where: label(node),
      hint,
    });
  for (const [i, tensor] of node.input.entries()) {
    if (tensor === '' || (found.variadic === true && i >= names.length - 1)) continue;
    const name = names[i];
    if (name === undefined) throw refuse(`an input ${i} ("${tensor}")`, NEWER);
    const hint = found.refused?.[name];
    if (hint !== undefined) throw refuse(`the input ${name} ("${tensor}")`, hint);
  }
  for (const attribute of node.attribute) {
    if (!known.has(attribute.name)) throw refuse(`an attribute ${attribute.name}`, NEWER);
    const hint = found.refused?.[attribute.name];
    if (hint !== undefined && isSet(attribute)) {
      throw refuse(`the attribute ${attribute.name} = ${text(attribute)}`, hint);
    }
  }
}

/** ONNX's own, by both names, and ONNX Runtime's. */
export const OWN_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', MICROSOFT]);

/**
 * The version of the default operator set; 0 where a model imports none.
 * @example
 * if (opsetOf(model) < 13) console.log('Squeeze takes its axes as an attribute');
 */
export function opsetOf({ opsetImport }: Pick<OnnxModel, 'opsetImport'>): number {
  return Number(opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 0n);
}

const NEWER = 'Its operator is newer than this rewrite knows: export the decoder with an older exporter.';

/** Whether an attribute says something: 0, '' and NONE are the defaults of those that are refused. */
function isSet(attribute: AttributeProto): boolean {
  return !['0', '', 'NONE'].includes(text(attribute));
}

function text(attribute: AttributeProto): string {
  switch (attribute.type) {
    case AttributeType.INT:
      return String(attribute.i);
    case AttributeType.STRING:
      return new TextDecoder().decode(attribute.s);
    default:
      return String(attribute.f);
  }
}
