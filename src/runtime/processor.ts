// What the processor does to int8 weights, found out by a product rather than by the processor's name.
//
// x86-64 with AVX2 or AVX-512 but without VNNI (AMD Zen 1 to 3, Intel before Cascade Lake, and desktop chips up to
// 2021) multiplies uint8 activations by int8 weights with VPMADDUBSW, which adds two products in 16 bits and clamps
// the sum at 32,767: 2 · 255 · 127 = 64,770 does not fit. ONNX Runtime's kernels do so for MatMulInteger,
// DynamicQuantizeMatMul, MatMulIntegerToFloat, QGemm, QAttention, QLinearMatMul, QLinearConv and what it fuses from
// QuantizeLinear and DequantizeLinear; results are off by a tenth and more. MatMulNBits, of 4 and 8 bits, at every
// accuracy_level, is exact there (measured with the largest weights and activations). VNNI, AMX, Arm and WebAssembly add in 32
// bits. uint8 by uint8 is exact everywhere, and without VNNI as fast: so there int8 weights are loaded as uint8
// (src/quantize/unsigned.ts). With VNNI that would cost their speed and gain nothing. Hence the probe.
//
// ONNX Runtime has a switch for this, `session.x64quantprecision`. It is not used: version 1.30 fails to load a model
// with it where two nodes share a weight or a zero point, makes DequantizeLinear with a scale a column invalid, and
// leaves QLinearMatMul of opset 21 as it is.
import {
  concatChunks,
  create,
  DataType,
  encodeModel,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from '../onnx/index.js';
import type { Int8Products } from '../quantize/weight-advice.js';
import type { SessionClass, Swap } from './session-swap.js';

export type { Int8Products };

/** Rows of activations; one row has a kernel of its own. */
const ROWS = [1, 4] as const;
const INNER = 64;
const COLUMNS = 32;
/** The largest activation and the largest weight. */
const [ACTIVATION, WEIGHT] = [255, 127] as const;

const known = new WeakMap<SessionClass, Promise<Int8Products>>();

/**
 * How this processor adds up int8 products in a given ONNX Runtime. Runs two small products, once a process.
 * @param Session the runtime's session class
 */
export function int8Products(Session: SessionClass): Promise<Int8Products> {
  const before = known.get(Session);
  if (before !== undefined) return before;
  const found = probe(Session);
  known.set(Session, found);
  return found;
}

/**
 * A swap after which int8 weights give exact results on this processor, in every session of a load.
 * @param Session the runtime's session class
 * @param unsigned loads a model with uint8 weights in the place of int8
 * @param swap what else is to be loaded otherwise
 */
export function exactInt8(
  Session: SessionClass,
  unsigned: Swap,
  swap: Swap = (source) => Promise.resolve(source),
): Swap {
  return async (asked) => {
    const source = await swap(asked);
    return (await int8Products(Session)) === 'exact' ? source : unsigned(source);
  };
}

/**
 * Runs products whose every pair of terms is beyond 16 bits.
 * @returns `saturating` if one of them is wrong; `exact` where there is no such operator, since int8 models fail there
 */
async function probe(Session: SessionClass): Promise<Int8Products> {
  for (const rows of ROWS) {
    let session: Awaited<ReturnType<SessionClass['create']>>;
    try {
      session = await Session.create(productOf(rows), { logSeverityLevel: 4 });
    } catch {
      return 'exact';
    }
    try {
      const { product } = await session.run({});
      const sums = product?.data as Int32Array;
      if (sums.some((sum) => sum !== INNER * ACTIVATION * WEIGHT)) return 'saturating';
    } finally {
      await session.release();
    }
  }
  return 'exact';
}

/** A model that needs no input: [rows, INNER] of the largest activation times [INNER, COLUMNS] of the largest weight. */
function productOf(rows: number): Uint8Array<ArrayBuffer> {
  const filled = (name: string, dataType: DataType, dims: [number, number], value: number) =>
    create(TensorProtoSchema, {
      name,
      dataType,
      dims: dims.map(BigInt),
      rawData: new Uint8Array(dims[0] * dims[1]).fill(value),
    });
  const info = (name: string, elemType: DataType, dims: number[]) => {
    const dim = dims.map((n) => ({ value: { case: 'dimValue' as const, value: BigInt(n) } }));
    return create(ValueInfoProtoSchema, {
      name,
      type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
    });
  };
  const graph = create(GraphProtoSchema, {
    name: 'int8-products',
    node: [
      create(NodeProtoSchema, {
        opType: 'MatMulInteger',
        input: ['activations', 'weights'],
        output: ['product'],
      }),
    ],
    initializer: [
      filled('activations', DataType.UINT8, [rows, INNER], ACTIVATION),
      filled('weights', DataType.INT8, [INNER, COLUMNS], WEIGHT),
    ],
    // an input with a default is no constant: the product is computed as a model's products are, not folded
    input: [info('activations', DataType.UINT8, [rows, INNER])],
    output: [info('product', DataType.INT32, [rows, COLUMNS])],
  });
  const opsetImport = [{ domain: '', version: 13n }];
  return concatChunks(encodeModel(create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph })));
}
