import type { InferenceSession } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { installSwap, withSwap, type SessionClass } from './session-swap.js';

it('changes what is loaded for a marked load only, also when loads are concurrent', async () => {
  const loaded: unknown[] = [];
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- the shape of ONNX Runtime's class
  class Session {
    static async create(model: unknown, options: unknown): Promise<InferenceSession> {
      await Promise.resolve();
      loaded.push([model, options]);
      return {} as InferenceSession;
    }
  }
  const target = Session as unknown as SessionClass;
  installSwap(target);
  installSwap(target);
  const marked = withSwap({ enableMemPattern: false }, ({ model, options }) =>
    Promise.resolve({
      model: `${String(model)}.rewritten`,
      options: { ...options, enableCpuMemArena: false },
    }),
  );
  await Promise.all([
    target.create('plain', { enableMemPattern: true }),
    // Transformers.js spreads the options on their way
    target.create('decoder', { logSeverityLevel: 3, ...marked }),
    target.create('bare'),
  ]);
  expect(loaded).toHaveLength(3);
  expect(loaded).toContainEqual(['plain', { enableMemPattern: true }]);
  expect(loaded).toContainEqual(['bare', undefined]);
  expect(loaded).toContainEqual([
    'decoder.rewritten',
    { logSeverityLevel: 3, enableMemPattern: false, enableCpuMemArena: false },
  ]);
});
