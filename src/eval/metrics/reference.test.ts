// The metrics against the code that the field scores with, on answers made for the purpose (test/fixtures/metrics).
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { anls } from './anls.js';
import { mmeAnswer } from './mme.js';
import { mmmuOpen } from './mmmu.js';
import { parseChoice } from './multiple-choice.js';
import { popeAnswer } from './pope.js';
import { vqaAccuracy } from './vqa.js';

interface Open {
  readonly reply: string;
  readonly answers: readonly string[];
}

interface Reference {
  readonly vqa: readonly (Open & { readonly vqav2: number; readonly textvqa: number })[];
  readonly yesNo: readonly { readonly reply: string; readonly pope: string; readonly mme: string }[];
  readonly choices: readonly {
    readonly reply: string;
    readonly choices: readonly string[];
    /** What VLMEvalKit and MMMU's code read; −1: none. */
    readonly vlm: number;
    readonly mmmu: number;
  }[];
  readonly anls: readonly (Open & { readonly score: number })[];
  readonly mmmuOpen: readonly (Open & { readonly score: number })[];
}

const reference = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/metrics/reference.json', import.meta.url), 'utf8'),
) as Reference;

it('VQA accuracy, as VQAv2 and as TextVQA', () => {
  for (const { reply, answers, vqav2, textvqa } of reference.vqa) {
    expect(vqaAccuracy(reply, answers, 'disagreement'), reply).toBeCloseTo(vqav2, 9);
    expect(vqaAccuracy(reply, answers, 'always'), reply).toBeCloseTo(textvqa, 9);
  }
});

it('yes and no, as POPE and as MME', () => {
  for (const { reply, pope, mme } of reference.yesNo) {
    expect(popeAnswer(reply), reply).toBe(pope);
    expect(mmeAnswer(reply) ?? 'other', reply).toBe(mme);
  }
});

it('open questions of MMMU', () => {
  for (const { reply, answers, score } of reference.mmmuOpen)
    expect(mmmuOpen(reply, answers), reply).toBe(score);
});

it('ANLS, where a similarity of exactly one half counts', () => {
  for (const { reply, answers, score } of reference.anls)
    expect(anls(reply, answers), reply).toBeCloseTo(score, 9);
});

it('choices: what both parsers read is read here too, but for two letters and for texts that begin with a letter', () => {
  for (const { reply, choices, vlm, mmmu } of reference.choices) {
    if (vlm !== mmmu || vlm === -1) continue;
    const ambiguous = / or [A-E]\b/.test(reply) || choices.some((choice) => /^[A-E] /.test(choice));
    if (!ambiguous) expect(parseChoice(reply, choices), reply).toBe(vlm);
  }
});
