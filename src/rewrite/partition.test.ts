import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { decoderWithSharedKeys } from '../../test/toy/shared-keys.js';
import { recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { decodeModel, firstInput } from '../onnx/index.js';
import { Partition } from './partition.js';
import { rewriteDecoder } from './rewrite-decoder.js';

/** A toy, divided at these K. */
function divided(family: string, ...cuts: number[]): { decoder: Decoder; partition: Partition } {
  const decoder = recogniseDecoder(decodeModel(toyDecoder(toyFamily(family).config).bytes));
  return { decoder, partition: Partition.at(decoder, cuts) };
}

describe('Partition', () => {
  it('refuses a cut between a layer and one that shares its keys, naming the K that there is', () => {
    const model = decoderWithSharedKeys();
    expect(() => rewriteDecoder(model, { stages: [{ layer: 2 }] })).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        where: 'layer 1',
        message: expect.stringContaining('use the keys and values of layer 1') as string,
        hint: 'Choose K ≤ 1.',
      }),
    );
    expect(rewriteDecoder(model, { stages: [{ layer: 1 }] }).report.layers).toBe(3);
  });

  it('divides the layers', () => {
    const { partition } = divided('gqa', 1, 3);
    expect([0, 1, 2, 3].map((layer) => partition.stageOfLayer(layer))).toEqual([0, 1, 1, 2]);
    expect([0, 1, 2].map((stage) => partition.pastKey(stage))).toEqual([
      'past_key_values.0.key',
      'past_key_values.1.key',
      'past_key_values.3.key',
    ]);
  });

  it('puts the attention of layer K−1 before the cut, its projection and MLP behind', () => {
    const { decoder, partition } = divided('gqa', 2);
    const stages = (name: RegExp): Set<number> =>
      new Set(decoder.graph.nodes.filter((n) => name.test(n.name)).map((n) => partition.stageOf(n)));
    expect(stages(/layers\.0\/mlp|layers\.1\/attn\/GroupQuery/u)).toEqual(new Set([0]));
    expect(stages(/layers\.1\/mlp|layers\.2|lm_head/u)).toEqual(new Set([1]));
  });

  it('refuses a cut behind which no layer has attention', () => {
    const { decoder } = divided('gqa', 1);
    const layers = decoder.layers.map((layer) =>
      layer.index < 2 ? layer : { ...layer, attention: undefined },
    );
    const partition = Partition.at({ ...decoder, layers }, [2]);
    expect(() => partition.pastKey(1)).toThrow(
      expect.objectContaining({ code: 'unsupported-decoder', hint: 'Choose a smaller K.' }),
    );
  });

  it('puts keys and values before the cut, with the queries that are computed for all', () => {
    const { decoder, partition } = divided('mha', 2);
    for (const layer of [0, 1])
      for (const state of decoder.layers[layer]?.presentStates ?? []) expect(partition.home(state)).toBe(0);
    const attention = decoder.layers[1]?.attention?.node;
    const query = decoder.graph.producer(attention === undefined ? '' : firstInput(attention));
    const moved = query === undefined ? [] : [query];
    expect(moved.map((node) => partition.stageOf(node))).toEqual(moved.map(() => 0));
    const behind = partition.withBehind(moved);
    expect(moved.map((node) => behind.stageOf(node))).toEqual(moved.map(() => 1));
    expect(
      moved.map((node) => partition.stageOf(node)),
      'the given one',
    ).toEqual(moved.map(() => 0));
    expect(moved.length).toBeGreaterThan(0);
  });

  it('keeps the prologue and what comes in before every cut', () => {
    const { decoder, partition } = divided('eager', 1, 3);
    expect(['inputs_embeds', 'attention_mask'].map((name) => partition.home(name))).toEqual([0, 0]);
    const prologue = decoder.graph.nodes.filter((n) => !n.output.some((o) => partition.flow.isActivation(o)));
    expect(new Set(prologue.map((n) => partition.stageOf(n)))).toEqual(new Set([0]));
    expect(partition.home('logits')).toBe(2);
  });

  it('takes the past of the first layer with attention, where others come before it', () => {
    const { partition } = divided('hybrid conv', 2);
    expect([0, 1].map((stage) => partition.pastKey(stage))).toEqual([
      'past_key_values.1.key',
      'past_key_values.3.key',
    ]);
  });
});
