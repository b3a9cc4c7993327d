// Random decoders, rewritten at random places, on random batches: first the toy itself is proved against the
// reference, then its rewrite. FASTV_TEST_SEEDS=from:to looks further.

import { describe, it } from 'vitest';
import { checkParity } from './rewritten.js';
import { compareWithReference, nextTurn, prefillAndDecode } from './toy/compare.js';
import { toyDecoder } from './toy/decoder.js';
import { attentionCuts } from './toy/families.js';
import { randomConfig } from './toy/random-config.js';
import { seededRandom } from './toy/random.js';
import { ToySession } from './toy/run.js';

const [from = 1, to = 60] = (process.env['FASTV_TEST_SEEDS'] ?? '1:60').split(':').map(Number);
const seeds = Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe.each(seeds)('random decoder %d', (seed) => {
  const config = randomConfig(seed);
  const decoder = toyDecoder(config);
  const random = seededRandom(seed + 5000);
  const below = (n: number): number => Math.floor(random() * n);
  const spans = Array.from({ length: config.leftPadding ? 1 + below(4) : 1 }, () => [
    ...[below(6), 1 + below(12), 1 + below(4)],
    ...(below(3) === 0 ? [2 + below(8), 1 + below(3)] : []),
  ]);
  const ratio = [0.5, 0.25, 0.75, 0.6][below(4)] ?? 0.5;
  const cuts = attentionCuts(config);
  const stages =
    cuts.length > 1 && below(3) === 0 ? [cuts[0] ?? 1, cuts.at(-1) ?? 1] : [cuts[below(cuts.length)] ?? 1];
  const ratios = stages.map(() => ratio);
  const first = prefillAndDecode(config, spans, ratios, 2, seed);
  const second =
    spans.length === 1 || config.batchedTurns
      ? nextTurn(
          config,
          first,
          spans.map(() => [1 + (seed % 3), 7, 3]),
          ratios,
        )
      : [];
  const mask = below(4) === 0 && config.layerKinds.length === 0;

  it('is a sound toy', async () => {
    const toy = await ToySession.create(config, decoder.bytes);
    await compareWithReference(
      decoder,
      toy,
      [...first, ...second].map((call) => ({ ...call, ratios: [] })),
      { cuts: [], unpruned: true },
    );
    await toy.release();
  });

  it(`${mask ? 'mask' : 'drop'} at K = ${stages.join(', ')}`, async () => {
    await checkParity(decoder, { cuts: stages, mode: mask ? 'mask' : 'drop' }, [...first, ...second]);
  });
});
