// int8 on an x86-64 processor with AVX2 and no VNNI, on any x86-64 machine: valgrind shows a program such a processor.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  concatChunks,
  create,
  DataType,
  encodeModel,
  TensorProtoSchema,
  type TensorProto,
} from '../../src/onnx/index.js';
import { valueInfo } from '../../src/onnx/value-info.js';
import { unsigned } from '../../src/quantize/unsigned.js';
import { modelOf, node } from '../graphs.js';

const emulator = process.arch === 'x64' && spawnSync('valgrind', ['--version']).status === 0;
if (!emulator) console.warn('skipped: no valgrind, which shows programs an x86-64 processor without VNNI');

const [ROWS, INNER, COLUMNS] = [4, 64, 8] as const;
const SUM = INNER * 255 * 127;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-emulated-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const filled = (name: string, dataType: DataType, dims: [number, number], value: number): TensorProto =>
  create(TensorProtoSchema, {
    name,
    dataType,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(dims[0] * dims[1]).fill(value),
  });

/** The largest activations times the largest int8 weights. */
const product = (opset: number) =>
  modelOf(
    {
      nodes: [node('MatMulInteger', ['a', 'w'], ['y'])],
      initializers: [
        filled('a', DataType.UINT8, [ROWS, INNER], 255),
        filled('w', DataType.INT8, [INNER, COLUMNS], 127),
      ],
      // an input with a default: no constant that is folded
      inputs: [valueInfo('a', DataType.UINT8, [ROWS, INNER])],
      outputs: [valueInfo('y', DataType.INT32, [ROWS, COLUMNS])],
    },
    opset,
  );

it.skipIf(!emulator)(
  'saturates as the model is, and is exact as fastv loads it',
  { timeout: 400_000 },
  async () => {
    const models = [product(17), unsigned(product(17)).model, unsigned(product(21)).model];
    const files = models.map((model, i) => {
      const file = join(folder, `${i}.onnx`);
      writeFileSync(file, concatChunks(encodeModel(model)));
      return file;
    });
    const script = fileURLToPath(new URL('run-models.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)('valgrind', [
      '--tool=none',
      '--quiet',
      '--smc-check=all-non-file',
      process.execPath,
      // valgrind translates code once; V8's own compilers write it anew
      '--jitless',
      script,
      ...files,
    ]);
    const [plain, before18, from18] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as number[]);
    const exact = new Array<number>(ROWS * COLUMNS).fill(SUM);
    expect(plain).toEqual(new Array<number>(ROWS * COLUMNS).fill((INNER / 2) * 32_767));
    expect(before18).toEqual(exact);
    expect(from18).toEqual(exact);
  },
);
