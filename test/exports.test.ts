// Decoders of today's exporters, rewritten, against a PyTorch reference on the same weights. FASTV_EXPORTS names a folder
// of more of them, such as training/decoder_exports.py makes; with FASTV_UPDATE_DOCS=1 how they ended is kept, for
// docs/decoders.md.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FastvError } from '../src/errors.js';
import type { OnnxModel } from '../src/onnx/index.js';
import { inspectDecoder, rewriteDecoder } from '../src/rewrite/index.js';
import {
  exportFixture,
  exportModel,
  runExport,
  withNormsOutside,
  writeMadeExports,
  type ExportCase,
  type MadeExport,
} from './export-fixture.js';
import { maxDifference } from './toy/run.js';

interface Expectation {
  readonly folder?: string;
  readonly file?: string;
  /** The exporter's graph is for other devices: it runs, rewritten or not, with its q and k norms outside. */
  readonly normsOutside?: boolean;
  readonly headSize: number;
  /** Largest difference of logits from the reference's, which are rounded to six places. */
  readonly tolerance: number;
}

const works: Readonly<Record<string, Expectation>> = {
  'genai-qwen25vl-mrope': { headSize: 8, tolerance: 1e-5 },
  'genai-qwen3-webgpu-qknorm': { normsOutside: true, headSize: 16, tolerance: 1e-5 },
  'genai-qwen3-webgpu-qknorm/expanded': {
    folder: 'genai-qwen3-webgpu-qknorm',
    file: 'expanded.onnx',
    headSize: 16,
    tolerance: 1e-5,
  },
  'genai-qwen35-hybrid': { headSize: 16, tolerance: 1e-5 },
  'opt-ts': { headSize: 8, tolerance: 1e-4 },
  'falcon-ts': { headSize: 8, tolerance: 1e-4 },
  'gemma3n-ts': { headSize: 16, tolerance: 1e-4 },
  'ts-gemma3-sliding-cache': { headSize: 16, tolerance: 1e-4 },
  'ts-fp16-keep-io-llama': { headSize: 8, tolerance: 2e-3 },
};

/** Compares every case of an export with the reference. */
async function checkCase(original: OnnxModel, example: ExportCase, expectation: Expectation): Promise<void> {
  const { headSize, tolerance, normsOutside = false } = expectation;
  const runnable = (model: OnnxModel): OnnxModel => (normsOutside ? withNormsOutside(model) : model);
  const { model } = rewriteDecoder(original, { stages: [{ layer: example.K }] });
  const reference = (logits: ExportCase['logits']): Float32Array[] =>
    logits.map((row) => Float32Array.from(row));

  const unpruned = await runExport(runnable(original), example, 0, headSize);
  const atZero = await runExport(runnable(model), example, 0, headSize);
  expect(maxDifference(unpruned.logits, reference(example.logits_R0))).toBeLessThan(tolerance);
  // ONNX Runtime fuses the two graphs differently, so that float16 rounds differently.
  expect(maxDifference(atZero.logits, unpruned.logits)).toBeLessThan(tolerance / 5);
  expect(atZero.cacheLengths).toEqual(unpruned.cacheLengths);

  const pruned = await runExport(runnable(model), example, example.R, headSize);
  expect(pruned.kept).toEqual(example.kept);
  expect(maxDifference(pruned.logits, reference(example.logits))).toBeLessThan(tolerance);
  pruned.cacheLengths.forEach((length, layer) => {
    if (length !== undefined) expect(length, `layer ${layer}`).toBe(example.cache_lengths[layer]);
  });
}

describe.each(Object.entries(works))('%s', (name, expectation) => {
  const folder = expectation.folder ?? name;
  const cases = exportFixture(folder).cases ?? [];

  it('has cases', () => {
    expect(cases.length).toBeGreaterThan(0);
  });

  it('says how large a head is, also where the cache does not', () => {
    const { layers } = inspectDecoder(exportModel(folder, expectation.file));
    const sizes = layers.filter(({ attention }) => attention !== 'none').map((layer) => layer.headSize);
    expect(new Set(sizes)).toEqual(new Set([expectation.headSize]));
  });

  it.each(cases)('$name', async (example) => {
    await checkCase(exportModel(folder, expectation.file), example, expectation);
  });
});

const made = process.env['FASTV_EXPORTS'];
const folders =
  made === undefined ? [] : readdirSync(made).filter((name) => existsSync(join(made, name, 'expected.json')));

/** How each ended, for docs/decoders.md. */
const outcomes: Record<string, MadeExport> = {};

describe.each(folders)('made anew: %s', (name) => {
  const { cases = [], note } = exportFixture(name, made);
  const { producerName, producerVersion } = exportModel(name, 'model.onnx', made);
  const producer = `${producerName} ${producerVersion}`;

  it.each(cases)('$name', async (example) => {
    outcomes[name] = { note, producer, outcome: 'wrong' };
    try {
      await checkCase(exportModel(name, 'model.onnx', made), example, { headSize: 0, tolerance: 1e-4 });
      outcomes[name] = { note, producer, outcome: 'works' };
    } catch (error) {
      if (error instanceof FastvError) outcomes[name] = { note, producer, outcome: error.message };
      throw error;
    }
  });
});

afterAll(() => {
  if (process.env['FASTV_UPDATE_DOCS'] === '1') writeMadeExports(outcomes);
});

const refused: readonly (readonly [string, RegExp, RegExp])[] = [
  [
    'bloom-ts',
    /Add "\/m\/transformer\/h.0\/self_attention\/Add" takes distances between tokens, ".*", as ALiBi does/u,
    /rotary positions/u,
  ],
  [
    'genai-mistral-sliding-window-cache',
    /GroupQueryAttention "\/model\/layers.0\/attn\/GroupQueryAttention" has the attribute sliding_window_cache = 1/u,
    /windowed_kv_cache=false/u,
  ],
];

describe.each(refused)('%s', (name, message, hint) => {
  it('is refused by name, with how to export it otherwise', () => {
    const rewrite = (): unknown => rewriteDecoder(exportModel(name), { stages: [{ layer: 2 }] });
    expect(rewrite).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        message: expect.stringMatching(message) as string,
        hint: expect.stringMatching(hint) as string,
      }),
    );
  });
});
