/** What `fastv build --check` does: one prompt through the built model, and what quantisation lost of its weights. */
import type { BuildReport } from '../../build/build.js';
import { FastvError } from '../../errors.js';
import { openModel } from '../../runtime/model.js';

/** What was found. */
export interface Checked {
  /** The tokens that the model answered with. */
  readonly answer: string;
  /** Of each quantised weight, ‖W − Ŵ‖ / ‖W‖; the largest first. */
  readonly errors: readonly {
    readonly part: string;
    readonly weight: string;
    readonly relativeError: number;
  }[];
  /** The same as text. */
  readonly lines: readonly string[];
}

/** A picture with edges and colours, so that no part gets zeros only. */
const SIDE = 64;
const PICTURE = Uint8ClampedArray.from({ length: SIDE * SIDE * 3 }, (_, i) => (i * 37) % 251);

/** Runs a built model once. @throws {FastvError} `inference` if it does not load, or gives no answer */
export async function checkBuilt({ folder, parts }: BuildReport): Promise<Checked> {
  const model = await openModel(folder);
  let answer: string;
  try {
    const image = { data: PICTURE, width: SIDE, height: SIDE };
    ({ text: answer } = await model.ask([{ role: 'user', text: 'What is this?', images: [image] }], {
      maxNewTokens: 4,
    }));
  } catch (cause) {
    if (cause instanceof FastvError) throw cause;
    throw new FastvError('inference', 'the built model does not run', { where: folder, cause });
  } finally {
    await model.close();
  }
  const errors = parts
    .flatMap(({ part, quantized }) =>
      quantized.map(({ weight, relativeError }) => ({ part, weight, relativeError })),
    )
    .sort((a, b) => b.relativeError - a.relativeError);
  const lines = [
    `it runs, and answers ${JSON.stringify(answer)}`,
    ...errors.map(
      ({ part, weight, relativeError }) => `${(100 * relativeError).toFixed(2)}%  ${part}  ${weight}`,
    ),
  ];
  return { answer, errors, lines };
}
