// Proves the toys: each family's unrewritten graph computes what the float64 reference computes, at prefill, in
// decoding and in batches. A rewrite is then judged against a reference that is known to be right.

import { describe, expect, it } from 'vitest';
import type { ToyConfig } from './config.js';
import { toyDecoder } from './decoder.js';
import { tolerance, toyFamilies } from './families.js';
import { fromFloat16Bits, toFloat16Bits } from './half.js';
import { keepQuota, ReferenceDecoder } from './reference.js';
import { nextPosition, toyRow, type Row } from './rows.js';
import { maxDifference, ToySession } from './run.js';

const decodeSteps = 2;

/** The rows' calls: a prefill each, then `decodeSteps` tokens one at a time. */
function conversation(config: ToyConfig, spans: readonly (readonly number[])[]): Row[][] {
  const calls = [spans.map((row, i) => toyRow(config, row, { seed: i }))];
  for (let step = 0; step < decodeSteps; step++) {
    const before = calls[step] ?? [];
    calls.push(
      before.map((row, i) => toyRow(config, [1], { seed: 100 * step + i, start: nextPosition(row) })),
    );
  }
  return calls;
}

describe.each(toyFamilies)('$name', ({ config }) => {
  const decoder = toyDecoder(config);
  const batches = [
    { rows: 'one row', spans: [[3, 6, 4]] },
    {
      rows: 'two rows',
      spans: [
        [3, 6, 4],
        [5, 3, 5],
      ],
    },
    ...(config.leftPadding
      ? [
          {
            rows: 'padded rows',
            spans: [
              [2, 4, 3],
              [3, 6, 4],
              [6, 1],
            ],
          },
        ]
      : []),
  ];

  it.each(batches)('computes what the reference does: $rows', async ({ spans }) => {
    const toy = await ToySession.create(config, decoder.bytes);
    const session = toy.conversation(spans.length);
    const references = spans.map(() => new ReferenceDecoder(config, decoder.weights));
    for (const rows of conversation(config, spans)) {
      const { logits } = await session.call(rows);
      rows.forEach((row, i) => {
        const expected = references[i]?.call(row).logits ?? [];
        expect(maxDifference(logits[i] ?? [], expected)).toBeLessThan(tolerance(config));
      });
    }
    await toy.release();
  });
});

describe('reference', () => {
  it('rounds quotas half to even', () => {
    const quotas = [
      [5, 0.5, 2],
      [7, 0.5, 4],
      [25, 0.9, 2],
      [15, 0.9, 1],
      [576, 0.5, 288],
      [576, 0.9, 58],
      [3, 1, 0],
      [3, 0, 3],
      [10, 0.75, 2],
      [6, 0.75, 2],
    ] as const;
    expect(quotas.map(([n, ratio]) => keepQuota(n, ratio))).toEqual(quotas.map(([, , kept]) => kept));
  });
});

describe('float16', () => {
  it('round-trips every finite value', () => {
    for (let bits = 0; bits < 0x7c00; bits++) expect(toFloat16Bits(fromFloat16Bits(bits))).toBe(bits);
  });
});
