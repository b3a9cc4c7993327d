/** Reads the reference scores that the caption metrics are tested against. Tests only. */
import { readFileSync } from 'node:fs';
import type { CaptionSample } from '../../src/eval/metrics/caption.js';

/** `captions-golden.json`: captions with the scores that the COCO caption code gives them. */
export interface Golden {
  readonly samples: readonly { readonly candidate: string; readonly references: readonly string[] }[];
  readonly expected: {
    readonly CIDEr: number;
    readonly CIDEr_each: readonly number[];
    readonly BLEU: readonly number[];
    readonly ROUGE_L: number;
    readonly ROUGE_L_each: readonly number[];
  };
}

export const golden = JSON.parse(
  readFileSync(new URL('../../src/eval/metrics/captions-golden.json', import.meta.url), 'utf8'),
) as Golden;

/** The golden's captions, split at spaces: they are lower case and have no punctuation. */
export const goldenSamples: readonly CaptionSample[] = golden.samples.map((s) => ({
  candidate: s.candidate.split(' '),
  references: s.references.map((r) => r.split(' ')),
}));
