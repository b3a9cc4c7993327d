import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { inMemory, randomDecoder } from '../../../bench/decoder.js';
import { encodeModel } from '../../onnx/write.js';
import { main } from '../main.js';

/** Runs the program, catching what it prints. */
async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => out.push(`${line}\n`));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => err.push(String(text)) > 0);
  const code = await main(['cost', ...argv]);
  return { code, out: out.join(''), err: err.join('') };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('fastv cost', () => {
  it('prints a table', async () => {
    const { code, out } = await run('--model', 'llava-1.5-7b', '--layer', '2', '--ratio', '50%');
    expect(code).toBe(0);
    expect(out).toMatchInlineSnapshot(`
      "llava-1.5-7b: 32 layers, hidden 4096, 32 heads of 128, MLP 3×11008, vocabulary 32064
      576 image + 36 other tokens; 50% dropped at layer 2: 288 image tokens left

                                     before   after    left
      paper's formula, GMAC a layer    99.3    54.8   55.2%
      prefill, exact, GFLOP          8123.3  4406.1   54.2%
        projections                  2628.5  1459.2   55.5%
        attention                     196.4    63.9   32.5%
        MLP                          5298.1  2882.8   54.4%
        LM head                         0.3     0.3  100.0%
        selection                            0.0050
      one decoding step, GFLOP        13.54   13.39   99.0%
      KV cache, MiB                   306.0   171.0   55.9%
      "
    `);
  });

  it('prints the same numbers as JSON', async () => {
    const { out } = await run('--model', 'LLaVA-1.5-7B', '--layer', '2', '--ratio', '0.5', '--json');
    const json = JSON.parse(out) as Record<string, unknown>;
    expect(json).toMatchObject({
      tokens: { text: 36, image: 576 },
      stages: [{ layer: 2, ratio: 0.5 }],
      keptImageTokens: 288,
    });
    expect(json['paperReduction']).toBeCloseTo(0.448, 3);
  });

  it('takes several stages, in any order', async () => {
    const argv = [
      '--model',
      'qwen2-vl-2b',
      '--image-tokens',
      '400',
      '--stage',
      '8:0.5',
      '--stage',
      '2:0.5',
      '--json',
    ];
    const { code, out } = await run(...argv);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ keptImageTokens: 100, stages: [{ layer: 2 }, { layer: 8 }] });
  });

  it('reads the shape of a decoder file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fastv-cost-'));
    try {
      const file = join(folder, 'decoder.onnx');
      const shape = { layers: 3, hidden: 16, heads: 4, kvHeads: 2, headDim: 8, mlp: 24, vocab: 32 };
      const model = randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, 'int8', inMemory);
      await writeFile(file, encodeModel(model));
      const pruning = ['--image-tokens', '10', '--layer', '1', '--ratio', '0.5'];
      const { code, out } = await run('--decoder', file, ...pruning, '--json');
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ decoder: { name: 'decoder.onnx', shape }, keptImageTokens: 5 });

      const refused = await run('--decoder', join(folder, 'absent.onnx'), ...pruning);
      expect(refused.code).toBe(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    ['an unknown model', ['--model', 'gpt-4', '--layer', '2', '--ratio', '0.5'], /smolvlm-256m/],
    ['no decoder', ['--layer', '2', '--ratio', '0.5'], /--model and --decoder/],
    [
      'K out of range',
      ['--model', 'llava-1.5-7b', '--layer', '32', '--ratio', '0.5'],
      /choose K from 0 to 31/,
    ],
    ['K no number', ['--model', 'llava-1.5-7b', '--layer', '2.5', '--ratio', '0.5'], /no whole number/],
    ['R over 1', ['--model', 'llava-1.5-7b', '--layer', '2', '--ratio', '1.5'], /no share/],
    ['R no number', ['--model', 'llava-1.5-7b', '--layer', '2', '--ratio', 'half'], /no share/],
    ['no R', ['--model', 'llava-1.5-7b', '--layer', '2'], /--layer 2 --ratio 0.5/],
    ['both kinds', ['--model', 'llava-1.5-7b', '--layer', '2', '--stage', '2:0.5'], /use either/],
    ['a stage that is none', ['--model', 'llava-1.5-7b', '--stage', '2'], /write K:R/],
    ['a layer twice', ['--model', 'llava-1.5-7b', '--stage', '2:0.5', '--stage', '2:0.1'], /ascending/],
    ['unknown image tokens', ['--model', 'qwen2-vl-2b', '--layer', '2', '--ratio', '0.5'], /28×28/],
  ])('refuses %s with exit code 2', async (_, argv, message) => {
    const { code, err, out } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(out).toBe('');
  });
});
