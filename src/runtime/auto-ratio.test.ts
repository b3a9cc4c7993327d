import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scene } from '../../test/server/scene-turn.js';
import { Conversation, type Message } from './conversation.js';
import { EMBEDDED_MODEL } from './embedded.js';
import { fastv } from './node.js';
import { calibrate } from './calibrate.js';
import { openModel, type OpenedModel } from './model.js';

const { question, images } = scene('existence', 0);
const sample: Message[] = [{ role: 'user', text: question, images }];
const load = { dtype: 'fp32', cache: false, onWarning: () => undefined } as const;

describe("ratio: 'auto'", () => {
  let found: OpenedModel;
  beforeAll(async () => {
    const pruning = { layer: 2, ratio: 'auto', samples: [sample], calibrate: { maxNewTokens: 4 } } as const;
    found = await openModel(EMBEDDED_MODEL, {
      loading: { dtype: 'fp32' },
      fastv: { ...pruning, cache: false, onWarning: () => undefined },
    });
  });
  afterAll(() => found.close());

  it('finds what calibrate finds, and prunes by it from then on', async () => {
    const { calibration } = found.fastv ?? expect.fail('no plug');
    const again = await calibrate(found, [sample], { maxNewTokens: 4 });
    expect(calibration?.tried.map(({ ratio }) => ratio)).toEqual([0.25, 0.5, 0.75, 0.9]);
    expect(calibration).toEqual(again);
    expect(found.fastv?.ratio).toBe(again.ratio);
    const { report } = await found.ask(sample, { maxNewTokens: 1 });
    expect(report?.ratio).toEqual([again.ratio]);
  });

  it('takes what a processor makes, without a call of the caller’s before', async () => {
    const conversation = await Conversation.load(EMBEDDED_MODEL);
    const model = await fastv(AutoModelForImageTextToText, EMBEDDED_MODEL, {
      ...load,
      layer: [2, 5],
      ratio: 'auto',
      samples: [await conversation.inputs(sample)],
      calibrate: { ratios: [0.05], agreement: 1, maxNewTokens: 1 },
    });
    const { calibration } = model.fastv;
    expect(calibration?.tried).toHaveLength(1);
    expect(model.fastv.ratio).toBe(calibration?.ratio);
    expect(model.fastv.last).toBeUndefined();
    await model.dispose();
  });
});

describe('what is no such load', () => {
  it.each([
    [{ ratio: 'auto' }, 'samples', 'nothing to ask'],
    [{ ratio: 'auto', samples: [] }, 'samples', 'nothing to ask'],
    [{ ratio: 'auto', samples: [{ text: 'a' }] }, 'samples', 'nothing to ask'],
    [{ ratio: 'auto', samples: 'a' }, 'samples', 'nothing to ask'],
    [{ ratio: 0.5, samples: [{}] }, 'samples', "ratio: 'auto'"],
    [{ calibrate: {} }, 'calibrate', "ratio: 'auto'"],
    [{ ratio: 'auto', budget: 5, samples: [{ input_ids: 0 }] }, 'samples', 'nothing to ask'],
    [{ ratio: ['auto', 0.5], layer: [2, 5] }, 'ratio', 'no share'],
  ])('%j', async (options, where, words) => {
    const loading = fastv(AutoModelForImageTextToText, EMBEDDED_MODEL, options as never);
    await expect(loading).rejects.toMatchObject({ code: 'invalid-option', where });
    await expect(loading).rejects.toThrow(words);
  });
});
