import { describe, expect, it } from 'vitest';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { recogniseDecoder, type Decoder } from '../decoder/decoder.js';
import { residualBefore } from '../decoder/residual.js';
import { allNames, decodeModel, Emitter } from '../onnx/index.js';
import { Partition } from './partition.js';
import { Sequence } from './sequence.js';

interface Cut {
  readonly decoder: Decoder;
  readonly emit: Emitter;
  readonly partition: Partition;
  /** The sequence of each stage. */
  readonly sequences: readonly Sequence[];
}

/** A toy that is cut at these K. */
function cut(family: string, ...cuts: number[]): Cut {
  const { bytes } = toyDecoder(toyFamily(family).config);
  const decoder = recogniseDecoder(decodeModel(bytes));
  const partition = Partition.at(decoder, cuts);
  const emit = new Emitter(decoder.opset, [...allNames(decoder.graph.graph), 'kept_1', 'kept_2']);
  const sequences = [Sequence.whole(partition, emit)];
  for (const stage of cuts.keys()) {
    const before = sequences.at(-1);
    if (before !== undefined) sequences.push(before.after(`kept_${stage + 1}`));
  }
  return { decoder, emit, partition, sequences };
}

/** What a tensor is called in a stage. */
function resolve({ sequences }: Cut, tensor: string, stage: number, rotates = false): string {
  return sequences[stage]?.resolve(tensor, rotates) ?? '';
}

const attention = '/model/layers.1/attn/GroupQueryAttention/output_0';

describe('a sequence', () => {
  it('leaves weights, the first stage, and what is behind the cut already alone', () => {
    const made = cut('gqa', 2);
    const [weight = ''] = made.decoder.graph.initializers.keys();
    expect(resolve(made, weight, 1)).toBe(weight);
    expect(resolve(made, attention, 0)).toBe(attention);
    const behind = made.decoder.graph.nodes.find((n) => made.partition.stageOf(n) === 1);
    expect(resolve(made, behind?.output[0] ?? '', 1)).toBe(behind?.output[0]);
    expect(made.emit.nodes).toEqual([]);
  });

  it('gathers an activation that crosses a cut, once a cut', () => {
    const made = cut('gqa', 2, 3);
    const once = resolve(made, attention, 1);
    expect(resolve(made, attention, 1)).toBe(once);
    const twice = resolve(made, attention, 2);
    const { nodes } = made.emit;
    const gathers = nodes.filter(({ output }) => output[0] === once || output[0] === twice);
    const rows = gathers.map(({ input: [, places] }) => nodes.find(({ output }) => output[0] === places));
    expect(gathers.map(({ opType }) => opType)).toEqual(['Gather', 'Gather']);
    expect(rows.map((places) => places?.input[0])).toEqual(['kept_1', 'kept_2']);
  });

  it('takes positions from the kept tokens for rotations, places in the kept sequence for masks', () => {
    const made = cut('eager', 2);
    const rotation = resolve(made, 'position_ids', 1, true);
    const op = (tensor: string): string | undefined =>
      made.emit.nodes.find(({ output }) => output[0] === tensor)?.opType;
    expect(op(rotation)).toBe('Gather');
    expect(op(resolve(made, 'position_ids', 1, false))).toBe('Expand');
  });

  it('reads the length of a pruned past from the first cache behind the cut', () => {
    const made = cut('eager', 2);
    expect(resolve(made, 'past_key_values.0.key', 1)).toBe('past_key_values.2.key');
    expect(resolve(made, 'past_key_values.3.key', 1)).toBe('past_key_values.3.key');
    expect(made.emit.nodes).toEqual([]);
  });

  it('computes an activation of a later stage for its own tokens, with the nodes that lie between', () => {
    const made = cut('gqa', 2);
    const tensor = residualBefore(made.decoder, 2);
    const ahead = made.sequences[0]?.ahead(tensor);
    expect(ahead).not.toBe(tensor);
    expect(made.emit.nodes.length).toBeGreaterThan(3);
    expect(made.emit.nodes.flatMap(({ input }) => input)).toContain(attention);
    expect(made.sequences[1]?.ahead(tensor)).toBe(tensor);
  });
});
