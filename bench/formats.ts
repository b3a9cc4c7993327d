// One linear layer in every format that weights come in: what a format costs on this machine, before any pruning.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { MICROSOFT, type Emitter } from '../src/onnx/emit.js';
import { DataType } from '../src/onnx/tensor.js';
import { SESSION } from '../src/bench/sessions.js';
import { interleaved } from '../src/bench/timing.js';
import { smallModel, type AddWeight } from './graph.js';
import { printTable } from './print.js';

interface Options {
  readonly tokens: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly rounds: number;
}

type Layer = (e: Emitter, weight: AddWeight) => string;

/** Prints time and throughput of each format. */
export async function benchFormats({ tokens: M, inputs: K, outputs: N, rounds }: Options): Promise<void> {
  const bytes = (count: number): Uint8Array<ArrayBuffer> =>
    Uint8Array.from({ length: count }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255);
  const floats = (count: number, of: (i: number) => number): Uint8Array<ArrayBuffer> =>
    new Uint8Array(Float32Array.from({ length: count }, (_, i) => of(i)).buffer);
  const few = (count: number): Uint8Array<ArrayBuffer> => floats(count, () => 0.001);

  const dynamic =
    (type: DataType, zero: number | undefined): Layer =>
    (e, weight) => {
      const [q = '', scale = '', zeroPoint = ''] = e.ops('DynamicQuantizeLinear', ['x'], { outputs: 3 });
      const inputs = [q, weight(type, [K, N], bytes(K * N)), zeroPoint];
      if (zero !== undefined) inputs.push(weight(type, [], Uint8Array.of(zero)));
      const product = e.cast(e.op('MatMulInteger', inputs), DataType.FLOAT);
      return e.op('Mul', [product, e.op('Mul', [scale, weight(DataType.FLOAT, [N], few(N))])]);
    };
  const blocks =
    (bits: number, block: number, accuracy: number): Layer =>
    (e, weight) =>
      e.op(
        'MatMulNBits',
        [
          'x',
          weight(DataType.UINT8, [N, K / block, (block * bits) / 8], bytes((N * K * bits) / 8)),
          weight(DataType.FLOAT, [(N * K) / block], few((N * K) / block)),
        ],
        {
          domain: MICROSOFT,
          attributes: {
            K: BigInt(K),
            N: BigInt(N),
            bits: BigInt(bits),
            block_size: BigInt(block),
            accuracy_level: BigInt(accuracy),
          },
        },
      );
  const formats: Record<string, Layer> = {
    'fp32 MatMul': (e, weight) =>
      e.op('MatMul', [
        'x',
        weight(
          DataType.FLOAT,
          [K, N],
          floats(K * N, (i) => ((i % 1009) - 504) / 50000),
        ),
      ]),
    'uint8 MatMulInteger, zero point 128': dynamic(DataType.UINT8, 128),
    'int8 MatMulInteger': dynamic(DataType.INT8, undefined),
    'int4 MatMulNBits, block 32, fp32 activations': blocks(4, 32, 0),
    'int4 MatMulNBits, block 32, int8 activations': blocks(4, 32, 4),
    'int4 MatMulNBits, block 128, int8 activations': blocks(4, 128, 4),
    'int8 MatMulNBits, block 32, int8 activations': blocks(8, 32, 4),
    'int8 MatMulNBits, block 128, int8 activations': blocks(8, 128, 4),
  };

  const x = new Tensor(
    'float32',
    Float32Array.from({ length: M * K }, (_, i) => Math.sin(i)),
    [M, K],
  );
  const variants = [];
  for (const [name, layer] of Object.entries(formats)) {
    const input = { name: 'x', type: DataType.FLOAT, dims: [M, K] };
    const model = smallModel([input], { type: DataType.FLOAT, dims: [M, N] }, layer);
    const session = await InferenceSession.create(model, SESSION);
    variants.push({ name, run: () => session.run({ x }) });
  }
  const timings = await interleaved(variants, rounds);
  const fp32 = timings.get('fp32 MatMul')?.cpu.median ?? Number.NaN;
  printTable(
    [`[${M}, ${K}] × [${K}, ${N}]`, 'wall ms', 'CPU ms', 'range', 'GFLOP/s a core', 'of fp32'],
    [...timings].map(([name, { wall, cpu }]) => [
      name,
      wall.median.toFixed(2),
      cpu.median.toFixed(2),
      `${cpu.fastest.toFixed(2)}–${cpu.slowest.toFixed(2)}`,
      ((2 * M * K * N) / cpu.median / 1e6).toFixed(0),
      `${((100 * cpu.median) / fp32).toFixed(0)}%`,
    ]),
  );
}
