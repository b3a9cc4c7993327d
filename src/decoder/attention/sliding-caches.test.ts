import { describe, expect, it } from 'vitest';
import { intAttr, node } from '../../../test/graphs.js';
import { checkPass } from '../../../test/pass.js';
import { compareWithReference, nextTurn, prefillAndDecode } from '../../../test/toy/compare.js';
import { toyDecoder } from '../../../test/toy/decoder.js';
import { toyFamily } from '../../../test/toy/families.js';
import { ToySession } from '../../../test/toy/run.js';
import {
  concatChunks,
  decodeModel,
  editModel,
  encodeModel,
  GraphView,
  int64Tensor,
  NodeProtoSchema,
  withFields,
  type NodeProto,
  type OnnxModel,
} from '../../onnx/index.js';
import { rewriteDecoder } from '../../rewrite/index.js';
import { wholeCaches } from './sliding-caches.js';

/** Layers 0 and 2 have a window of 5 in their mask; all caches keep every token. */
const decoder = toyDecoder(toyFamily('eager softcap window').config);
const WINDOW = 5;

const whole = (model: OnnxModel): ReturnType<typeof wholeCaches> =>
  wholeCaches(model, new GraphView(model.graph));

/** A decoder as torch exports it with `DynamicCache(config=…)`: some layers' caches are cropped, coming and going. */
function sliding(model: OnnxModel, layers: readonly number[], window = WINDOW): OnnxModel {
  const ints = (name: string, value: number) => Object.assign(int64Tensor([value]), { name });
  const constants = [ints('crop/from', 1 - window), ints('crop/to', 2 ** 62), ints('crop/axis', 2)];
  const crop = (from: string, to: string) => node('Slice', [from, 'crop/from', 'crop/to', 'crop/axis'], [to]);
  const pasts = layers.flatMap((i) => [`past_key_values.${i}.key`, `past_key_values.${i}.value`]);
  const presents = layers.flatMap((i) => [`present.${i}.key`, `present.${i}.value`]);
  const replace = new Map<NodeProto, readonly NodeProto[]>(
    model.graph.node.map((old) => {
      const added = old.output.filter((name) => presents.includes(name));
      const changed = withFields(NodeProtoSchema, old, {
        // a length is that of the whole past: torch's mask counts from there
        input: old.input.map((name) =>
          old.opType !== 'Shape' && pasts.includes(name)
            ? `${name}/cropped`
            : presents.includes(name)
              ? `${name}/whole`
              : name,
        ),
        output: old.output.map((name) => (presents.includes(name) ? `${name}/whole` : name)),
      });
      return [old, [changed, ...added.map((name) => crop(`${name}/whole`, name))]];
    }),
  );
  const [first = node('Identity', [], [])] = model.graph.node;
  replace.set(first, [
    ...pasts.flatMap((name) => [
      node('Concat', [name], [`${name}/named`], intAttr('axis', -2)),
      crop(`${name}/named`, `${name}/cropped`),
    ]),
    ...(replace.get(first) ?? []),
  ]);
  return decodeModel(concatChunks(encodeModel(editModel(model, { replace, constants }))));
}

describe('wholeCaches', () => {
  const plain = decodeModel(decoder.bytes);

  it('leaves a decoder without sliding caches as it is', () => {
    checkPass(whole, plain, { changed: false });
  });

  it('makes caches grow whose window a mask keeps', () => {
    const { report } = checkPass(whole, sliding(plain, [0, 2]), { changed: true });
    const names = [0, 2].flatMap((i) =>
      ['key', 'value'].flatMap((part) => [`past_key_values.${i}.${part}`, `present.${i}.${part}`]),
    );
    expect([...report.caches].sort()).toEqual(names.sort());
  });

  it('leaves caches that are shorter than any window of a mask', () => {
    checkPass(whole, sliding(plain, [0, 2], WINDOW - 1), { changed: false });
    expect(() => rewriteDecoder(sliding(plain, [0, 2], WINDOW - 1), { stages: [{ layer: 2 }] })).toThrow(
      expect.objectContaining({
        code: 'unsupported-decoder',
        message: expect.stringContaining('keeps only the last 3 tokens of the cache') as string,
        hint: expect.stringContaining('DynamicCache() instead of DynamicCache(config=…)') as string,
      }),
    );
  });

  it.each([
    ['Max', 'Mul'],
    ['Min', undefined],
  ])('knows how a length is counted by %s', (opType, becomes) => {
    const model = sliding(plain, [0, 2]);
    const scalar = (name: string, value: number) => Object.assign(int64Tensor([value], []), { name });
    const kept = WINDOW - 1;
    const counting =
      opType === 'Max'
        ? [node('Add', ['kept', 'length'], ['beyond']), node('Max', ['none', 'beyond'], ['counted'])]
        : [node('Min', ['length', 'kept'], ['counted'])];
    const [first = node('Identity', [], [])] = model.graph.node;
    const [output] = model.graph.output;
    if (output === undefined) throw new Error('no output');
    const counts = editModel(model, {
      replace: new Map([
        [
          first,
          [
            node('Shape', ['past_key_values.0.key'], ['shape']),
            node('Gather', ['shape', 'axis'], ['length'], intAttr('axis', 0)),
            ...counting,
            first,
          ],
        ],
      ]),
      constants: [scalar('axis', 2), scalar('none', 0), scalar('kept', opType === 'Max' ? -kept : kept)],
      outputs: [{ ...output, name: 'counted' }],
    });
    const pass = whole(counts);
    expect(pass.changed).toBe(becomes !== undefined);
    const counted = pass.model.graph.node.find(({ output: [name] }) => name === 'counted');
    expect(counted?.opType).toBe(becomes ?? opType);
  });

  it.each([1, 2, 3])('K = %i: what the reference has, over turns longer than the window', async (k) => {
    const { model } = rewriteDecoder(sliding(plain, [0, 2]), { stages: [{ layer: k }] });
    const toy = await ToySession.create(decoder.config, concatChunks(encodeModel(model)));
    const turn = prefillAndDecode(decoder.config, [[4, 15, 5]], [0.5]);
    const calls = [...turn, ...nextTurn(decoder.config, turn, [[3, 6, 2]], [0.5])];
    await compareWithReference(decoder, toy, calls, { cuts: [k], provider: 'cpu' });
    await toy.release();
  });
});
