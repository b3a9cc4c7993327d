import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { concatChunks, decodeModel, encodeModel } from '../onnx/index.js';
import { EMBEDDED_MODEL } from '../runtime/embedded.js';
import { exactCost, keptAtCost, knownShape } from './decoder-cost.js';

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

describe('keptAtCost', () => {
  const own = { text: 30, image: 324, vision: 2e9 };
  const other = { text: 30, image: 144, vision: 8e8 };

  it('is the most that costs no more than the other prompt does unpruned', async () => {
    const known = (await knownShape(decoder, config)) ?? expect.fail();
    const { layers } = known.shape;
    const most = exactCost(known, 30, 144, null).flops ?? NaN;
    const cost = (keep: number): number => {
      const layerTokens = Array.from({ length: layers }, (_, i) => 30 + (i < 2 ? 324 : keep));
      return exactCost(known, 30, 324, { layers: [2], layerTokens }).flops ?? NaN;
    };
    const keep = keptAtCost(known, 2, { sameAs: 96, flops: 'decoder' }, own, other);
    expect(keep).toBeGreaterThan(0);
    expect(cost(keep)).toBeLessThanOrEqual(most);
    expect(cost(keep + 1)).toBeGreaterThan(most);
    const less = keptAtCost(known, 2, { sameAs: 96, flops: 'total' }, own, other);
    expect(cost(less)).toBeLessThanOrEqual(most - 1.2e9);
    expect(cost(less + 1)).toBeGreaterThan(most - 1.2e9);
    // an image that is smaller already loses nothing
    expect(keptAtCost(known, 2, { sameAs: 96, flops: 'decoder' }, { ...own, image: 100 }, other)).toBe(100);
  });

  it('refuses what nothing is left for, and costs that are not known', async () => {
    const known = await knownShape(decoder, config);
    const refused = expect.objectContaining({ code: 'invalid-option' }) as Error;
    const at = (layer: number, vision?: number) => () =>
      keptAtCost(known, layer, { sameAs: 96, flops: 'total' }, { ...own, vision }, other);
    expect(at(9, 2e9)).toThrow(refused);
    expect(at(2)).toThrow(refused);
    expect(() => keptAtCost(undefined, 2, { sameAs: 96, flops: 'decoder' }, own, other)).toThrow(refused);
  });
});
