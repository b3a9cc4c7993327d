import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { info, node, numbers, open } from '../../test/graphs.js';
import { strategyContext } from '../../test/strategy-context.js';
import { toyDecoder } from '../../test/toy/decoder.js';
import { toyFamily } from '../../test/toy/families.js';
import { normals, seededRandom } from '../../test/toy/random.js';
import { allNames, DataType, decodeModel, Emitter } from '../onnx/index.js';
import { rewriteDecoder } from '../rewrite/index.js';
import { headMax } from './head-max.js';

describe('head-max', () => {
  it('is the largest share that any head gives a token, not the mean', async () => {
    const emit = new Emitter(17, ['heads', 'scores']);
    const scores = headMax.score(strategyContext(emit, { lastRowHeads: () => 'heads' }));
    const session = await open(
      {
        inputs: [info('heads', DataType.FLOAT, [2, 3, 5])],
        outputs: [info('scores', DataType.FLOAT, [2, 5])],
        nodes: [...emit.nodes, node('Identity', [scores], ['scores'])],
        initializers: emit.initializers,
      },
      17,
    );
    const heads = normals(seededRandom(5), 2 * 3 * 5);
    const given = numbers(await session.run({ heads: new Tensor('float32', heads, [2, 3, 5]) }), 'scores');
    const share = (batch: number, head: number, token: number): number =>
      heads[(batch * 3 + head) * 5 + token] ?? NaN;
    const expected = [0, 1].flatMap((batch) =>
      [0, 1, 2, 3, 4].map((token) => Math.max(...[0, 1, 2].map((head) => share(batch, head, token)))),
    );
    expect(given).toEqual(expected);
  });

  it.each(['gqa', 'mha', 'attention23', 'eager'])('makes a %s decoder that can be read again', (family) => {
    const model = decodeModel(toyDecoder(toyFamily(family).config).bytes);
    const { model: rewritten, report } = rewriteDecoder(model, {
      stages: [{ layer: 2 }],
      strategy: 'head-max',
    });
    expect(report.strategy).toBe('head-max');
    const operators = rewritten.graph.node.map(({ opType }) => opType);
    expect(operators.filter((name) => name === 'ReduceMax')).toHaveLength(1);
    expect(new Set(allNames(rewritten.graph))).toContain('kept_indices');
  });
});
