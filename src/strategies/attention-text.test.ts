import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open, openInWasm } from '../../test/graphs.js';
import { strategyContext } from '../../test/strategy-context.js';
import { normals, seededRandom } from '../../test/toy/random.js';
import { DataType, Emitter } from '../onnx/index.js';
import { attentionText } from './attention-text.js';

// Which rows and heads these are is src/rewrite/stage-context.test.ts's.
describe('attention-text', () => {
  it.each([
    ['ONNX Runtime', open],
    ['its WASM build', openInWasm],
  ])('is the mean of the text’s rows over four heads of ten (%s)', async (_, load) => {
    const emit = new Emitter(17, ['rows', 'scores']);
    const asked: unknown[] = [];
    const attentionRows = (...given: readonly unknown[]): string => {
      asked.push(given);
      return 'rows';
    };
    const scores = attentionText.score(strategyContext(emit, { attentionRows }));
    expect(asked).toEqual([['text', 0.4]]);
    const session = await load(
      {
        inputs: [info('rows', DataType.FLOAT, [2, 3, 5])],
        outputs: [info('scores', DataType.FLOAT, [2, 5])],
        nodes: [...emit.nodes, node('Identity', [scores], ['scores'])],
        initializers: emit.initializers,
      },
      17,
    );
    const rows = normals(seededRandom(5), 2 * 3 * 5);
    const given = numbers(await session.run({ rows: new Tensor('float32', rows, [2, 3, 5]) }), 'scores');
    const share = (batch: number, head: number, token: number): number =>
      rows[(batch * 3 + head) * 5 + token] ?? NaN;
    given.forEach((score, i) => {
      const [batch, token] = [Math.floor(i / 5), i % 5];
      const mean = [0, 1, 2].reduce((sum, head) => sum + share(batch, head, token) / 3, 0);
      expect(score).toBeCloseTo(mean, 5);
    });
    await session.release();
  });

  it('needs the queries of other tokens', () => {
    expect(attentionText.needsQueries).toBe(true);
  });
});
