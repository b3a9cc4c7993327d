import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { concatChunks, decodeModel, encodeModel } from '../onnx/index.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { exactCost, knownShape } from './decoder-cost.js';

const config = JSON.parse(readFileSync(join(EMBEDDED_MODEL, 'config.json'), 'utf8')) as Record<
  string,
  unknown
>;
const decoder = join(EMBEDDED_MODEL, 'onnx', 'decoder_model_merged.onnx');

describe('knownShape', () => {
  it('reads the graph, which agrees with the configuration of the embedded model', async () => {
    const graph = await knownShape(decoder, config);
    expect(graph?.from).toBe('graph');
    const configured = await knownShape(undefined, config);
    expect(configured?.from).toBe('configuration');
    expect(graph?.shape).toEqual(configured?.shape);
  });

  it('believes the graph where the configuration says something else', async () => {
    const text = { ...(config['text_config'] as object), intermediate_size: 7 };
    const known = await knownShape(decoder, { text_config: text });
    expect(known?.shape.mlp).toBeGreaterThan(7);
  });

  it('counts the tokens that each layer saw, whatever R was asked for', async () => {
    const known = await knownShape(decoder, config);
    const layers = known?.shape.layers ?? expect.fail();
    const saw = (kept: number): number[] =>
      Array.from({ length: layers }, (_, k) => (k < 2 ? 164 : 20 + kept));
    const [few, many] = [36, 72].map((kept) =>
      exactCost(known, 20, 144, { layers: [2], layerTokens: saw(kept) }),
    );
    expect(few?.flops).toBeLessThan(many?.flops ?? 0);
    expect(many?.flops).toBeLessThan(many?.flopsUnpruned ?? 0);
    expect(few?.kvBytes).toBeLessThan(many?.kvBytes ?? 0);
    expect(few?.flopsUnpruned).toBe(exactCost(known, 20, 144, null).flops);
  });

  it('falls back where the graph cannot be read, and says so; knows nothing where nothing is said', async () => {
    const model = decodeModel(readFileSync(decoder));
    model.graph.output = model.graph.output.filter(({ name }) => name !== 'logits');
    const broken = join(mkdtempSync(join(tmpdir(), 'fastv-cost-')), 'decoder_model_merged.onnx');
    writeFileSync(broken, concatChunks(encodeModel(model)));
    const known = await knownShape(broken, config);
    expect(known?.from).toBe('configuration');
    expect(exactCost(known, 20, 144, null).shapeFrom).toBe('configuration');
    expect(await knownShape(undefined, {})).toBeUndefined();
    expect(exactCost(undefined, 1, 2, null)).toEqual({});
  });
});
