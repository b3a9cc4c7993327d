// What TypeScript refuses and completes: options come from the class's own from_pretrained and generate. The checks are
// the compiler's (npm run typecheck); nothing here is called.
import { AutoModelForImageTextToText } from '@huggingface/transformers';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { FastvCall } from './call.js';
import { fastv } from './index.js';
import type { FastvHandle, LoadOptions } from './plug.js';

type Options = LoadOptions<typeof AutoModelForImageTextToText>;

/** Never called. */
async function load(): Promise<void> {
  const model = await fastv(AutoModelForImageTextToText, 'name', {
    layer: [2, 8],
    ratio: 0.5,
    strategy: 'key-norm',
    dtype: 'q4',
    device: 'webgpu',
    signal: AbortSignal.timeout(1000),
  });
  expectTypeOf(model.fastv).toEqualTypeOf<FastvHandle>();
  // @ts-expect-error ration is no option
  await fastv(AutoModelForImageTextToText, 'name', { ration: 0.9 });
  // @ts-expect-error layers is no option
  await fastv(AutoModelForImageTextToText, 'name', { layers: 5 });
  // @ts-expect-error there is no such device
  await fastv(AutoModelForImageTextToText, 'name', { device: 'gpuuu' });
  // @ts-expect-error there is no such dtype
  await fastv(AutoModelForImageTextToText, 'name', { dtype: 'q9' });
  // @ts-expect-error there is no such strategy
  await fastv(AutoModelForImageTextToText, 'name', { strategy: 'magic' });
  // @ts-expect-error a model is no class
  await fastv(model, 'name');

  const inputs = {};
  await model.generate({ ...inputs, max_new_tokens: 4, fastv: { ratio: 0.75 } });
  await model.generate({ ...inputs, fastv: model.fastv.call({ budget: 3 }) });
  // @ts-expect-error ration is no option of a call
  await model.generate({ ...inputs, fastv: { ration: 0.9 } });
  // @ts-expect-error layer is fixed when the model is loaded
  await model.generate({ ...inputs, fastv: { layer: 5 } });
  // @ts-expect-error ratio is a number
  await model.generate({ ...inputs, fastv: { ratio: '0.5' } });
  // @ts-expect-error ratio belongs into fastv
  await model.generate({ ...inputs, ratio: 0.9 });
  // @ts-expect-error the layer is fixed
  model.fastv.layer = [3];
  await model.dispose();
}

/** A class of one's own says itself what it takes. */
interface Own {
  from_pretrained(name: string, options?: { readonly token?: string }): Promise<{ name: string }>;
}

describe('the types of fastv', () => {
  it('are those of the class', () => {
    expectTypeOf<Options['layer']>().toEqualTypeOf<number | readonly number[] | undefined>();
    expectTypeOf<'q4f16'>().toExtend<NonNullable<Options['dtype']>>();
    expectTypeOf<LoadOptions<Own>['token']>().toEqualTypeOf<string | undefined>();
    expectTypeOf(fastv<Own>).returns.resolves.toEqualTypeOf<
      { name: string } & { readonly fastv: FastvHandle }
    >();
    expectTypeOf<FastvCall['decodeSteps']>().toEqualTypeOf<number>();
    expect(typeof load).toBe('function');
  });
});
