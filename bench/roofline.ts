// How near decoders come to what the machine can do: prefill, which arithmetic bounds, and a decoding step, which
// reading every weight once bounds. Operations and bytes are counted (src/cost), times are measured.
import { decodeFeeds, prefillFeeds } from '../src/bench/feeds.js';
import { openDecoder, originalOf, readDecoder } from '../src/bench/sessions.js';
import { mebibytes, percentage, seconds } from '../src/bench/table.js';
import { interleaved } from '../src/bench/timing.js';
import { flops, kvCacheBytes, kvCacheLengths, prefillMacs } from '../src/cost/exact.js';
import type { Tokens } from '../src/cost/paper.js';
import { layerWeights, type DecoderShape } from '../src/cost/shape.js';
import { cached, type Wanted } from './cache.js';
import { ceilings, type Ceiling, type CeilingOptions } from './ceilings.js';
import { BLOCK, type WeightType } from './decoder.js';
import { printTable } from './print.js';

export interface RooflineOptions extends CeilingOptions, Omit<Wanted, 'weights'> {
  readonly weights: readonly WeightType[];
  readonly tokens: Tokens;
}

/** Bytes of a weight, its share of scales included where it has one a block (one a channel is nothing). */
const WEIGHT_BYTES: Readonly<Record<WeightType, number>> = {
  fp32: 4,
  int4: 0.5 + 4 / BLOCK,
  'int4-fp32': 0.5 + 4 / BLOCK,
  'int4-fp16': 0.5 + 2 / BLOCK,
  uint8: 1,
  int8: 1,
};

/** Formats whose products are of 8-bit integers. Attention is float32 in all of them. */
const INTEGER_PRODUCTS: ReadonlySet<WeightType> = new Set(['int4', 'uint8', 'int8']);

/** Bytes of all weights that a decoding step reads: the layers' and the LM head's. */
function weightBytes(shape: DecoderShape, weights: WeightType): number {
  const { query, keyValue, output, mlp } = layerWeights(shape);
  const count = shape.layers * (query + keyValue + output + mlp) + shape.hidden * shape.vocab;
  return count * WEIGHT_BYTES[weights];
}

/** Prints the ceilings, then the decoders beside them. */
export async function benchRoofline(options: RooflineOptions): Promise<void> {
  const { tokens, rounds } = options;
  const found = await ceilings(options);
  const [float, integer, read, copy] = found;
  const memory = Math.max(read.rate, copy.rate);
  printTable(
    ['ceiling', 'fastest ms', 'median ms', 'CPU ms', 'a second'],
    found.map(({ name, unit, timings: { wall, cpu }, rate }) => [
      name,
      wall.fastest.toFixed(1),
      wall.median.toFixed(1),
      cpu.median.toFixed(1),
      `${rate.toFixed(unit === 'bytes' ? 1 : 0)} ${unit === 'bytes' ? 'GB' : 'GFLOP'}`,
    ]),
  );

  const n = tokens.text + tokens.image;
  const rows: string[][] = [];
  for (const weights of options.weights) {
    const wanted = { ...options, weights };
    const generated = cached(wanted);
    const { shape } = generated;
    const decoder = await openDecoder(originalOf(await readDecoder(generated.file)));
    const feeds = prefillFeeds(decoder.inputs, tokens);
    const next = decodeFeeds(decoder.inputs, await decoder.run(feeds), n);
    const prefill = (await interleaved([{ name: '', run: () => decoder.run(feeds) }], rounds)).get('');
    const step = (await interleaved([{ name: '', run: () => decoder.run(next) }], 3 * rounds)).get('');
    await decoder.session.release();
    if (prefill === undefined || step === undefined) continue;
    const operations = flops(prefillMacs(shape, tokens, [], { lmHead: 'last' }).total);
    const bytes = weightBytes(shape, weights) + kvCacheBytes(shape, kvCacheLengths(shape, tokens)).total;
    const products: Ceiling = INTEGER_PRODUCTS.has(weights) ? integer : float;
    const rate = operations / prefill.wall.median / 1e6;
    const bandwidth = bytes / step.wall.median / 1e6;
    rows.push([
      weights,
      seconds(prefill.wall.median),
      (operations / 1e9).toFixed(0),
      rate.toFixed(0),
      `${percentage(rate, products.rate)} of ${products === integer ? 'int8' : 'float32'}`,
      (step.wall.median / 1000).toFixed(4),
      mebibytes(bytes),
      bandwidth.toFixed(1),
      percentage(bandwidth, memory),
    ]);
  }
  const shared = options.shareWeights === true ? ', weights shared' : '';
  console.log(
    `### ${options.shape}, ${options.layers} layers${shared}: ${tokens.image} image + ${tokens.text} other tokens, unpruned\n`,
  );
  printTable(
    [
      'weights',
      'prefill s',
      'GFLOP',
      'GFLOP/s',
      'of the ceiling',
      'step s',
      'MiB read',
      'GB/s',
      'of the ceiling',
    ],
    rows,
  );
}
