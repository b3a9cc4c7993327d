// Decoders of real exporters against the answers of the FastV authors' own code.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeModel, type OnnxModel } from '../src/onnx/index.js';
import { rewriteDecoder } from '../src/rewrite/index.js';
import { Conversation, lastLogits, maxDifference, type Answer } from './session.js';

interface Case {
  readonly K: number;
  readonly R: number;
  readonly image_start: number;
  readonly image_len: number;
  readonly sequence_length: number;
  readonly inputs_embeds: readonly number[];
  readonly decode_embeds: readonly number[];
  readonly kept: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly cache_lengths: readonly number[];
}

const HIDDEN = 64;
const folder = new URL('./fixtures/', import.meta.url);
const exports = readdirSync(new URL('decoders/', folder)).sort();

function load(name: string): { model: OnnxModel; externalData: { path: string; data: Uint8Array }[] } {
  const at = (file: string): URL => new URL(`decoders/${name}/${file}`, folder);
  const model = decodeModel(readFileSync(at('model.onnx')), name);
  const data = at('model.onnx.data');
  return {
    model,
    externalData: existsSync(data) ? [{ path: 'model.onnx.data', data: readFileSync(data) }] : [],
  };
}

function goldens(name: string): Case[] {
  const [checkpoint = ''] = name.split('.');
  return JSON.parse(readFileSync(new URL(`goldens/${checkpoint}.json`, folder), 'utf8')) as Case[];
}

/** Prefill and three decoding steps. */
async function answer(conversation: Conversation, golden: Case, ratio: number): Promise<Answer[]> {
  conversation.reset();
  const { image_start: start, image_len: length, sequence_length: sequence } = golden;
  const imageTokenMask = Array.from({ length: sequence }, (_, i) => i >= start && i < start + length);
  const embeds = Float32Array.from(golden.inputs_embeds);
  const answers = [
    await conversation.call({ batch: 1, sequence, hidden: HIDDEN, embeds, imageTokenMask, ratios: [ratio] }),
  ];
  for (let step = 0; step < 3; step++) {
    const one = Float32Array.from(golden.decode_embeds.slice(step * HIDDEN, (step + 1) * HIDDEN));
    answers.push(
      await conversation.call({ batch: 1, sequence: 1, hidden: HIDDEN, embeds: one, ratios: [ratio] }),
    );
  }
  return answers;
}

describe.each(exports)('%s', (name) => {
  const { model, externalData } = load(name);
  const headSize = name.startsWith('qwen3') ? 32 : 16;
  const exact = !name.endsWith('int4');

  test.each(goldens(name).map((golden) => [golden.K, golden.R, golden] as const))(
    'K=%d R=%d',
    async (k, ratio, golden) => {
      const { model: rewritten } = rewriteDecoder(model, { stages: [{ layer: k }] });
      const conversation = await Conversation.open(rewritten, { externalData, headSize });
      const answers = await answer(conversation, golden, ratio);
      if (exact) {
        expect(answers[0]?.kept).toEqual(golden.kept);
        for (const [i, given] of answers.entries()) {
          expect(maxDifference(lastLogits(given), golden.logits[i] ?? [])).toBeLessThan(1e-4);
        }
      }
      expect(answers.at(-1)?.cacheLengths).toEqual(golden.cache_lengths);
      const unpruned = await answer(conversation, golden, 0);
      const original = await answer(await Conversation.open(model, { externalData, headSize }), golden, 0);
      for (const [i, given] of unpruned.entries()) {
        expect(maxDifference(given.logits, original[i]?.logits ?? [])).toBeLessThan(1e-5);
      }
    },
  );

  test.each(goldens(name).map((golden) => [golden.K, golden.R, golden] as const))(
    'masking computes what dropping does, K=%d R=%d',
    async (k, ratio, golden) => {
      const open = async (mode: 'drop' | 'mask'): Promise<Conversation> => {
        const { model: rewritten } = rewriteDecoder(model, { stages: [{ layer: k }], mode });
        return Conversation.open(rewritten, { externalData, headSize });
      };
      const dropped = await answer(await open('drop'), golden, ratio);
      const masked = await answer(await open('mask'), golden, ratio);
      for (const [i, given] of masked.entries()) {
        const other = dropped[i];
        if (other === undefined) throw new Error('one mode gave fewer answers');
        expect(given.kept).toEqual(other.kept);
        expect(maxDifference(lastLogits(given), lastLogits(other))).toBeLessThan(1e-4);
      }
      expect(new Set(masked.at(-1)?.cacheLengths).size).toBe(1);
    },
  );
});
