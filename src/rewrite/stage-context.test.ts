import { describe, expect, it } from 'vitest';
import { info } from '../../test/graphs.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { toyRow, type Row } from '../../test/toy/rows.js';
import { ToySession } from '../../test/toy/run.js';
import { recogniseDecoder } from '../decoder/decoder.js';
import {
  allNames,
  concatChunks,
  DataType,
  decodeModel,
  editModel,
  Emitter,
  encodeModel,
} from '../onnx/index.js';
import type { StageContext } from '../strategies/index.js';
import { shareBudget } from './budget.js';
import { newInputs } from './declarations.js';
import { allTokens } from './drop.js';
import { planCuts } from './plan.js';
import { stageContext } from './stage-context.js';

const K = 2;

interface Probed {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** What a context gives for rows of a toy, in the decoder as it is: nothing is cut. */
async function probe(
  family: string,
  rows: readonly Row[],
  ask: (context: StageContext) => Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, Probed>>> {
  const { config } = toyFamily(family);
  const plan = planCuts(
    recogniseDecoder(decodeModel(toyDecoder(config).bytes)),
    [K],
    'everything is looked at',
  );
  const { decoder } = plan;
  const emit = new Emitter(decoder.opset, allNames(decoder.model.graph));
  const tokens = allTokens(plan, emit, { segments: true });
  const context = stageContext(plan, 0, tokens, emit, () => shareBudget(emit, 'prune_ratio', 'integer'));
  const asked = Object.entries(ask(context));
  for (const [name, tensor] of asked) emit.op('Identity', [emit.castToFloat(tensor)], { output: name });
  const { graph } = decoder.model;
  const model = editModel(decoder.model, {
    emit,
    inputs: [...graph.input, ...newInputs({ segments: true }, [K])],
    outputs: [...graph.output, ...asked.map(([name]) => info(name, DataType.FLOAT, undefined))],
  });
  const toy = await ToySession.create(config, concatChunks(encodeModel(model)));
  const conversation = toy.conversation(rows.length);
  await conversation.call(rows);
  const probed = asked.map(([name]): [string, Probed] => {
    const { dims = [], data } = conversation.outputs[name] ?? {};
    return [name, { dims, data: Float32Array.from(data as Float32Array) }];
  });
  await toy.release();
  return Object.fromEntries(probed);
}

function close(given: Probed | undefined, expected: ArrayLike<number>, tolerance = 1e-5): void {
  expect(given?.data.length).toBe(expected.length);
  given?.data.forEach((x, i) => {
    expect(Math.abs(x - (expected[i] ?? NaN)), `number ${i}`).toBeLessThan(tolerance);
  });
}

/** A row of text, an image and text, cut off behind a token. */
function rowOf(family: string, spans: readonly number[], length?: number): Row {
  const { embeds, imageMask, positions } = toyRow(toyFamily(family).config, spans, { seed: 3 });
  return {
    embeds: embeds.slice(0, length),
    imageMask: imageMask.slice(0, length),
    positions: positions.slice(0, length),
  };
}

describe('attentionRows', () => {
  const spans = [3, 6, 3];

  it.each([
    'gqa',
    'gqa packed',
    'gqa softcap',
    'gqa head sink',
    'gqa window',
    'gqa attention_bias',
    'mha',
    'mha past outside 4d',
    'attention23 3d',
    'attention23 bool mask',
    'eager',
    'eager sink',
    'eager float16',
    'gqa mrope',
  ])('of text is the mean of what each of its tokens pays as the last one (%s)', async (family) => {
    const { text, last } = await probe(family, [rowOf(family, spans)], (context) => ({
      text: context.attentionRows('text'),
      last: context.attentionRows('last'),
    }));
    const [, heads = 0, sequence = 0] = text?.dims ?? [];
    const mean = new Float32Array(heads * sequence);
    for (const length of [10, 11, 12]) {
      const { row } = await probe(family, [rowOf(family, spans, length)], (context) => ({
        row: context.lastRowHeads(),
      }));
      for (let head = 0; head < heads; head++)
        row?.data
          .subarray(head * length, (head + 1) * length)
          .forEach((x, i) => (mean[head * sequence + i] = (mean[head * sequence + i] ?? 0) + x / 3));
      if (length === 12) close(last, row?.data ?? []);
    }
    close(text, mean, family.includes('float16') ? 2e-3 : 1e-5);
  });

  it('looks at each row of a batch alone, and at the last token where no text is behind the image', async () => {
    const rows = [rowOf('gqa attention_bias', [3, 6, 3]), rowOf('gqa attention_bias', [2, 8])];
    const together = await probe('gqa attention_bias', rows, (context) => ({
      text: context.attentionRows('text'),
    }));
    const { dims = [], data = new Float32Array() } = together['text'] ?? {};
    const [, heads = 0, sequence = 0] = dims;
    for (const [i, row] of rows.entries()) {
      const { text, last } = await probe('gqa attention_bias', [row], (context) => ({
        text: context.attentionRows('text'),
        last: context.lastRowHeads(),
      }));
      const own = row.embeds.length;
      const here = Array.from({ length: heads }, (_, head) => {
        const end = (i * heads + head + 1) * sequence;
        return Array.from(data.subarray(end - own, end));
      }).flat();
      close(text, here);
      if (i === 1) close(last, text?.data ?? []);
    }
  });

  it('takes the heads that give image tokens most', async () => {
    const { all, some } = await probe('gqa', [rowOf('gqa', spans)], (context) => ({
      all: context.attentionRows('text'),
      some: context.attentionRows('text', 0.5),
    }));
    const [, heads = 0, sequence = 0] = all?.dims ?? [];
    const rows = Array.from({ length: heads }, (_, head) =>
      Array.from(all?.data.subarray(head * sequence, (head + 1) * sequence) ?? []),
    );
    const mass = (row: readonly number[]): number => row.slice(3, 9).reduce((sum, x) => sum + x, 0);
    const most = rows.toSorted((a, b) => mass(b) - mass(a)).slice(0, Math.ceil(heads / 2));
    close(some, most.flat(), 1e-7);
  });
});

describe('attention that is nothing', () => {
  it('is no number for the row, by one head as by all', async () => {
    const row = rowOf('gqa attention_bias', [3, 6, 3]);
    // without image tokens none is given any
    const text = { ...row, imageMask: row.imageMask.map(() => false) };
    const { mean, heads, image } = await probe('gqa attention_bias', [row, text], (context) => ({
      mean: context.lastRowAttention(),
      heads: context.lastRowHeads(),
      image: context.segments().image,
    }));
    const half = (of: Probed | undefined, i: number): number[] => {
      const size = (of?.data.length ?? 0) / 2;
      return Array.from(of?.data.subarray(i * size, (i + 1) * size) ?? []);
    };
    for (const of of [mean, heads]) {
      expect(half(of, 0).some(Number.isNaN)).toBe(false);
      expect(half(of, 1).every(Number.isNaN)).toBe(true);
    }
    expect(Math.max(...half(image, 1))).toBe(0);
  });
});

describe('what is before the rotation', () => {
  it.each([
    'gqa',
    'gqa packed',
    'gqa q/k norms',
    'gqa rotary outside',
    'gqa float16',
    'mha',
    'mha onnx rotary',
    'mha past outside 4d',
    'attention23 3d',
    'attention23 past outside',
    'eager',
    'eager mrope',
    'eager tables cut to the length',
    'sdpa microsoft rotary',
  ])('becomes the keys and the attention of the last token when it is rotated (%s)', async (family) => {
    const { before, query, cos, sin, keys, row } = await probe(
      family,
      [rowOf(family, [3, 6, 3])],
      (context) => ({
        before: context.unrotatedKeys(),
        query: context.unrotatedQuery(),
        ...context.rotation(),
        keys: context.keys(),
        row: context.lastRowHeads(),
      }),
    );
    const [, kvHeads = 0, sequence = 0, size = 0] = before?.dims ?? [];
    const [, heads = 0] = query?.dims ?? [];
    const columns = cos?.dims.at(-1) ?? 0;
    const half = size / 2;
    const rotate = (x: Float32Array, place: number): number[] => {
      const at = (of: Probed | undefined, i: number): number =>
        of?.data[place * columns + (i % columns)] ?? NaN;
      return Array.from(x, (value, i) => {
        const other = i < half ? -(x[i + half] ?? NaN) : (x[i - half] ?? NaN);
        const pair = columns === size ? i : i % half;
        return value * at(cos, pair) + other * at(sin, pair);
      });
    };
    const vector = (of: Probed | undefined, index: number): Float32Array =>
      of?.data.subarray(index * size, (index + 1) * size) ?? new Float32Array();
    const rotated = Array.from({ length: kvHeads * sequence }, (_, i) =>
      rotate(vector(before, i), i % sequence),
    );
    const tolerance = family.includes('float16') ? 5e-3 : 1e-4;
    close(keys, rotated.flat(), tolerance);
    const expected = Array.from({ length: heads }, (_, head) => {
      const q = rotate(vector(query, head), sequence - 1);
      const group = Math.floor(head / (heads / kvHeads));
      const scores = Array.from({ length: sequence }, (_key, i) => {
        const key = rotated[group * sequence + i] ?? [];
        return q.reduce((sum, x, d) => sum + x * (key[d] ?? NaN), 0) / Math.sqrt(size);
      });
      const exps = scores.map((x) => Math.exp(x - Math.max(...scores)));
      return exps.map((x) => x / exps.reduce((a, b) => a + b, 0));
    });
    close(row, expected.flat(), tolerance);
  });

  it('is refused, with the layer, where a graph does not have it apart', async () => {
    for (const family of ['eager partial rotary']) {
      await expect(
        probe(family, [rowOf(family, [3, 6, 3])], (context) => ({ keys: context.unrotatedKeys() })),
      ).rejects.toMatchObject({ code: 'unsupported-decoder', where: `layer ${K - 1}` });
    }
  });
});

describe('segments, values and who is there', () => {
  it('are of this call’s tokens', async () => {
    const rows = [rowOf('gqa attention_bias', [2, 4, 1, 3, 2]), rowOf('gqa attention_bias', [1, 5, 2])];
    const probed = await probe('gqa attention_bias', rows, (context) => ({
      image: context.segments().image,
      column: context.segments().grid?.column ?? '',
      there: context.attended(),
      values: context.values(),
    }));
    expect(Array.from(probed['image']?.data ?? [])).toEqual([
      ...[0, 0, 1, 1, 1, 1, 0, 2, 2, 2, 0, 0],
      ...[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0],
    ]);
    expect(Array.from(probed['column']?.data ?? []).slice(0, 12)).toEqual([
      -1, -1, 0, 1, 2, 3, -1, 0, 1, 2, -1, -1,
    ]);
    expect(Array.from(probed['there']?.data ?? []).slice(12)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    const { config } = toyFamily('gqa attention_bias');
    expect(probed['values']?.dims).toEqual([2, config.kvHeads, 12, config.headDim]);
  });
});
