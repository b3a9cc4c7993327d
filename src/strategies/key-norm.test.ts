import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open } from '../../test/graphs.js';
import { strategyContext } from '../../test/strategy-context.js';
import { normals, seededRandom } from '../../test/toy/random.js';
import { DataType, Emitter } from '../onnx/index.js';
import { keyNorm } from './key-norm.js';

describe('key-norm', () => {
  it('is minus the length of a token’s key, mean over heads', async () => {
    const emit = new Emitter(17, ['keys', 'scores']);
    const context = strategyContext(emit, { keys: () => 'keys' });
    const scores = keyNorm.score(context);
    const session = await open(
      {
        inputs: [info('keys', DataType.FLOAT, [2, 3, 5, 4])],
        outputs: [info('scores', DataType.FLOAT, [2, 5])],
        nodes: [...emit.nodes, node('Identity', [scores], ['scores'])],
        initializers: emit.initializers,
      },
      17,
    );
    const keys = normals(seededRandom(3), 2 * 3 * 5 * 4);
    const given = numbers(await session.run({ keys: new Tensor('float32', keys, [2, 3, 5, 4]) }), 'scores');
    const length = (batch: number, head: number, token: number): number =>
      Math.hypot(...keys.subarray(((batch * 3 + head) * 5 + token) * 4).subarray(0, 4));
    const expected = [0, 1].flatMap((batch) =>
      [0, 1, 2, 3, 4].map(
        (token) => -[0, 1, 2].reduce((sum, head) => sum + length(batch, head, token) / 3, 0),
      ),
    );
    expect(given).toHaveLength(10);
    for (const [i, score] of given.entries()) expect(score).toBeCloseTo(expected[i] ?? NaN, 5);
  });
});
