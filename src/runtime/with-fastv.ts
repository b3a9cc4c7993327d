// A class of Transformers.js that loads pruned models, for code that takes classes.
import type { LoadOptions, Loaded, ModelClass, WithFastv } from './plug.js';
import type { AutoOptions, PlugOptions } from './options.js';

/**
 * A class whose `from_pretrained` loads with fastv; everything else of it is the class's own.
 * @example
 * const Pruned: FastvClass<typeof AutoModelForImageTextToText> = withFastv(AutoModelForImageTextToText, { ratio: 0.75 });
 */
export type FastvClass<C extends ModelClass> = Omit<C, 'from_pretrained' | 'prototype'> & {
  /** Loads a model that prunes. Options that are given here take the place of the class's. */
  from_pretrained(name: string, options?: LoadOptions<C>): Promise<WithFastv<Loaded<C>>>;
};

/** Makes such a class with a platform's `fastv`. */
export function classWith<C extends ModelClass>(
  fastv: (modelClass: C, name: string, options: LoadOptions<C>) => Promise<WithFastv<Loaded<C>>>,
  modelClass: C,
  options: PlugOptions | AutoOptions,
): FastvClass<C> {
  const load = (name: string, given?: LoadOptions<C>): Promise<WithFastv<Loaded<C>>> =>
    fastv(modelClass, name, { ...options, ...given });
  return new Proxy(modelClass, {
    get: (target, property) =>
      property === 'from_pretrained' ? load : (Reflect.get(target, property) as unknown),
  }) as unknown as FastvClass<C>;
}
