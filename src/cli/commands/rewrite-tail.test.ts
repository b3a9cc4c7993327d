import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemory, randomDecoder, type WeightType } from '../../../bench/decoder.js';
import { decodeModel } from '../../onnx/read.js';
import { encodeModel } from '../../onnx/write.js';
import { main } from '../main.js';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-tail-'));
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** Slices along the sequence in the rewritten decoder, which the tail adds two of. */
async function slices(weights: WeightType, ...flags: string[]): Promise<number> {
  const shape = { layers: 3, hidden: 32, heads: 2, kvHeads: 1, headDim: 16, mlp: 48, vocab: 16 };
  const model = randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, weights, inMemory);
  await writeFile(join(folder, 'in.onnx'), encodeModel(model));
  const output = join(folder, 'out.onnx');
  expect(await main(['rewrite', join(folder, 'in.onnx'), '-o', output, '--layer', '1', ...flags])).toBe(0);
  return decodeModel(await readFile(output)).graph.node.filter((node) => node.opType === 'Slice').length;
}

describe('fastv rewrite --tail', () => {
  it('is short by default where logits stay what they were', async () => {
    const all = await slices('fp32', '--tail', 'all');
    expect(await slices('fp32')).toBe(all + 2);
    expect(await slices('fp32', '--tail', 'last')).toBe(all + 2);
  });

  it('is short on demand where activations are quantised dynamically', async () => {
    const all = await slices('int8', '--tail', 'all');
    expect(await slices('int8')).toBe(all);
    expect(await slices('int8', '--tail', 'last')).toBe(all + 2);
  });
});
