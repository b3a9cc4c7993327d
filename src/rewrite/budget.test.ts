import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open, openInWasm } from '../../test/graphs.js';
import { prefillAndDecode } from '../../test/toy/compare.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { seededRandom } from '../../test/toy/random.js';
import { ToySession } from '../../test/toy/run.js';
import { rewriteToy } from '../../test/rewritten.js';
import { DataType, decodeModel, Emitter } from '../onnx/index.js';
import { massBudget } from './budget.js';
import { rewriteDecoder } from './rewrite-decoder.js';

describe('a budget by mass', () => {
  it.each([
    ['float64', open],
    ['integer', openInWasm],
  ] as const)(
    'is the fewest tokens that hold the share, within its bounds (%s)',
    async (arithmetic, load) => {
      const emit = new Emitter(17, ['attention', 'images', 'share', 'ratio', 'greatest', 'kept']);
      const images = emit.reduce('ReduceSum', emit.ones('images'), [1], false);
      const kept = massBudget(
        emit,
        {
          attention: 'attention',
          imageTokenMask: 'images',
          share: 'share',
          ratio: 'ratio',
          greatest: 'greatest',
        },
        arithmetic,
      ).kept(images);
      const axes = ['batch', 'sequence'];
      const session = await load(
        {
          inputs: [
            info('attention', DataType.FLOAT, axes),
            info('images', DataType.BOOL, axes),
            ...['share', 'ratio', 'greatest'].map((name) => info(name, DataType.FLOAT, [])),
          ],
          outputs: [info('kept', DataType.INT64, ['batch'])],
          nodes: [...emit.nodes, node('Identity', [kept], ['kept'])],
          initializers: emit.initializers,
        },
        17,
      );
      const random = seededRandom(7);
      for (let round = 0; round < 100; round++) {
        const [rows, length] = [3, 20];
        const isImage = Array.from({ length: rows * length }, () => random() < 0.7);
        // eighths add up exactly, so that no rounding decides
        const attention = isImage.map(() => Math.floor(random() ** 4 * 64) / 8);
        const share = [0, 0.25, 0.5, 0.75, 1][Math.floor(random() * 5)] ?? 0;
        const [least, greatest] = [[0, 0.25][round % 2] ?? 0, [0.5, 1][Math.floor(round / 2) % 2] ?? 1];
        const given = numbers(
          await session.run({
            attention: new Tensor('float32', Float32Array.from(attention), [rows, length]),
            images: new Tensor('bool', Uint8Array.from(isImage, Number), [rows, length]),
            share: new Tensor('float32', Float32Array.of(share), []),
            ratio: new Tensor('float32', Float32Array.of(1 - least), []),
            greatest: new Tensor('float32', Float32Array.of(1 - greatest), []),
          }),
          'kept',
        );
        const expected = Array.from({ length: rows }, (_, row) => {
          const own = attention.flatMap((x, i) =>
            Math.floor(i / length) === row && isImage[i] === true ? [x] : [],
          );
          const sum = own.reduce((a, b) => a + b, 0);
          let [held, needed] = [0, 0];
          for (const x of own.sort((a, b) => b - a)) {
            if (held >= share * sum) break;
            held += x;
            needed++;
          }
          const half = (x: number): number => {
            const whole = Math.floor(x);
            return x - whole === 0.5 ? whole + (whole % 2) : Math.round(x);
          };
          return Math.max(
            Math.min(sum > 0 ? needed : own.length, half(own.length * greatest)),
            half(own.length * least),
          );
        });
        expect(given, `round ${round}`).toEqual(expected);
      }
      await session.release();
    },
  );

  it('is taken at the call, keeps all at R = 0, and a share of nothing is the least one', async () => {
    const { config } = toyFamily('gqa');
    const toy = await ToySession.create(
      config,
      rewriteToy(toyDecoder(config), { stages: [{ layer: 2 }], mass: true }),
    );
    const [call] = prefillAndDecode(config, [[4, 16, 5]], [1], 0);
    const kept = async (ratio: number, mass: readonly [number, number]): Promise<number> => {
      const result = await toy.conversation(1).call(call?.rows ?? [], { ratios: [ratio], mass });
      return (result.kept?.[0]?.length ?? 0) - 9;
    };
    expect(await kept(0, [0.5, 1])).toBe(16);
    expect(await kept(0.75, [0, 1])).toBe(4);
    expect(await kept(1, [1, 0.5])).toBe(8);
    const some = await kept(1, [0.5, 1]);
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(16);
    expect(await kept(1, [0.9, 1])).toBeGreaterThanOrEqual(some);
    await toy.release();
  });

  it('needs a layer', () => {
    const model = decodeModel(toyDecoder(toyFamily('gqa').config).bytes);
    const options = { stages: [{ layer: 0 }], strategy: 'external', mass: true };
    expect(() => rewriteDecoder(model, options)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });
});
