import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open } from '../../test/graphs.js';
import { keptTokens } from '../cost/stages.js';
import { DataType, Emitter } from '../onnx/index.js';
import { quota, type QuotaArithmetic } from './quota.js';

const COUNTS = Array.from({ length: 61 }, (_, n) => n);

/** The quotas of rows with 0, 1, …, 60 image tokens. */
async function quotas(arithmetic: QuotaArithmetic, ratio: number): Promise<number[]> {
  const emit = new Emitter(17, ['images', 'ratio', 'kept']);
  const kept = quota(emit, 'images', 'ratio', arithmetic);
  const session = await open(
    {
      inputs: [info('images', DataType.INT64, ['batch']), info('ratio', DataType.FLOAT, [])],
      outputs: [info('kept', DataType.INT64, ['batch'])],
      nodes: [...emit.nodes, node('Identity', [kept], ['kept'])],
      initializers: emit.initializers,
    },
    17,
  );
  const images = new Tensor('int64', BigInt64Array.from(COUNTS, BigInt), [COUNTS.length]);
  return numbers(await session.run({ images, ratio: new Tensor('float32', [ratio], []) }), 'kept');
}

/** n · (1 − R) in whole hundredths, a half to the even neighbour. */
function exact(n: number, hundredths: number): number {
  const share = n * (100 - hundredths);
  const whole = Math.floor(share / 100);
  const rest = share % 100;
  return rest > 50 || (rest === 50 && whole % 2 === 1) ? whole + 1 : whole;
}

describe('quota', () => {
  it.each([0, 10, 25, 30, 50, 70, 75, 90, 100])('R = %d %%', async (hundredths) => {
    const ratio = hundredths / 100;
    expect(await quotas('float64', ratio)).toEqual(COUNTS.map((n) => keptTokens(n, ratio)));
    expect(await quotas('integer', ratio)).toEqual(COUNTS.map((n) => exact(n, hundredths)));
  });

  it.each(['float64', 'integer'] as const)('%s: R is brought into [0, 1]', async (arithmetic) => {
    expect(await quotas(arithmetic, -0.5)).toEqual(COUNTS);
    expect(await quotas(arithmetic, 1.5)).toEqual(COUNTS.map(() => 0));
  });
});
