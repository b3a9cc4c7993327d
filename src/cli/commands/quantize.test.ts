import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemory, randomDecoder } from '../../../bench/decoder.js';
import { encodeModel } from '../../onnx/write.js';
import { int8Products } from '../../runtime/processor.js';
import { main } from '../main.js';

let folder = '';
const out: string[] = [];
const err: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-quantize-'));
  const shape = { layers: 2, hidden: 32, heads: 2, kvHeads: 1, headDim: 16, mlp: 48, vocab: 16 };
  const model = randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, 'fp32', inMemory);
  await writeFile(join(folder, 'in.onnx'), encodeModel(model));
  out.length = err.length = 0;
  vi.spyOn(console, 'log').mockImplementation((line: string) => out.push(line));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

describe('fastv quantize', () => {
  it('writes the decoder and says what it did', async () => {
    const output = join(folder, 'out.onnx');
    expect(await main(['quantize', join(folder, 'in.onnx'), '-o', output, '--type', 'int4'])).toBe(0);
    expect(out.join('\n')).toMatch(/^15 layers to int4; .* MiB to .* MiB\nlargest error \d/);
    expect(out.join('\n')).toMatch(/accuracy was not measured: --evaluate/);
    expect(await readdir(folder)).toEqual(['in.onnx', 'out.onnx']);
  });

  it('prints JSON', async () => {
    const output = join(folder, 'out.onnx');
    expect(
      await main(['quantize', join(folder, 'in.onnx'), '-o', output, '--exclude', 'lm_head', '--json']),
    ).toBe(0);
    const result = JSON.parse(out.join('')) as { type: string; layers: unknown[]; recentred: number };
    expect(result).toMatchObject({ type: 'int8', recentred: 0, evaluation: null });
    expect(result.layers).toHaveLength(14);
  });

  it('chooses the type that is exact and fast on this machine, and says what int8 needs where it is not', async () => {
    const input = join(folder, 'in.onnx');
    expect(await main(['quantize', input, '-o', join(folder, 'auto.onnx'), '--type', 'auto', '--json'])).toBe(
      0,
    );
    const exact = (await int8Products(InferenceSession)) === 'exact';
    expect(JSON.parse(out.join(''))).toMatchObject({
      type: exact ? 'int8' : 'uint8',
      reason: expect.stringContaining(exact ? 'exact' : 'saturate') as unknown,
    });
    expect(err.join('')).toBe('');
    expect(await main(['quantize', input, '-o', join(folder, 'int8.onnx')])).toBe(0);
    expect(err.join('').includes('--type auto')).toBe(!exact);
  });

  it.each([
    ['a type that is none', ['--type', 'int3'], 2],
    ['a block that is none', ['--type', 'int4', '--block', '33'], 2],
  ])('refuses %s', async (_, argv, code) => {
    expect(await main(['quantize', join(folder, 'in.onnx'), '-o', join(folder, 'o.onnx'), ...argv])).toBe(
      code,
    );
    expect(await readdir(folder)).toEqual(['in.onnx']);
  });

  it('refuses a file that is absent, and one that is no model', async () => {
    expect(await main(['quantize', join(folder, 'no.onnx'), '-o', join(folder, 'o.onnx')])).toBe(1);
    await writeFile(join(folder, 'bad.onnx'), 'no model');
    expect(await main(['quantize', join(folder, 'bad.onnx'), '-o', join(folder, 'o.onnx')])).toBe(1);
    expect(err.join('')).toMatch(/no ONNX model/);
  });
});
