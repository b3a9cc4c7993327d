/** The model that a command's flags mean, as evaluations ask it. What it takes is imported when it is opened. */
import type { Answerer } from '../eval/answerer.js';
import { isSimulated, simulatedAnswerer } from '../eval/simulated.js';
import { modelNameOrFolder } from '../files/model-name.js';
import { embeddedModel } from '../runtime/embedded.js';

/** The flags. */
export interface AnswererFlags {
  readonly model?: string;
  readonly dtype?: string;
  readonly device?: string;
  /** Threads of the processor; default: one a core. */
  readonly threads?: number;
  readonly allowNetwork?: boolean;
  /** What else decides answers, for records. */
  readonly records?: Readonly<Record<string, string>>;
}

/** Opens it. @throws {FastvError} where it cannot be loaded */
export async function openAnswerer(flags: AnswererFlags): Promise<Answerer> {
  const { model: named, dtype, device, threads, records } = flags;
  if (named !== undefined && isSimulated(named)) return simulatedAnswerer(named);
  const [{ prepareTransformers }, { openTransformersAnswerer }, { loading, warningsOn }] = await Promise.all([
    import('./transformers-env.js'),
    import('../eval/transformers-answerer.js'),
    import('./model.js'),
  ]);
  prepareTransformers(flags);
  const model = named === undefined ? embeddedModel() : modelNameOrFolder(named);
  return loading(model, flags, () =>
    openTransformersAnswerer({
      model,
      name: named ?? 'scenes-llava (embedded)',
      // the embedded model's folder belongs to the installation; its rewrite takes no time
      cache: named !== undefined,
      onWarning: warningsOn(process.stderr, flags),
      ...(records && { records }),
      ...(dtype === undefined ? {} : { dtype }),
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
    }),
  );
}
