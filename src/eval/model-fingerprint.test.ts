import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { modelFingerprint } from './model-fingerprint.js';

const folder = mkdtempSync(join(tmpdir(), 'fastv-fingerprint-'));
mkdirSync(join(folder, 'onnx'));
const weights = join(folder, 'onnx', 'decoder_model_merged.onnx');

it('changes with the weights, not with a rewrite that is kept beside them', async () => {
  writeFileSync(join(folder, 'config.json'), '{}');
  writeFileSync(weights, Buffer.alloc(3_000_000, 1));
  const before = await modelFingerprint(folder);
  expect(before).toMatch(/^[0-9a-f]{16}$/);
  writeFileSync(join(folder, 'onnx', 'decoder_model_merged.fastv-0123.onnx'), 'rewritten');
  expect(await modelFingerprint(folder)).toBe(before);
  writeFileSync(weights, Buffer.alloc(3_000_000, 2));
  expect(await modelFingerprint(folder)).not.toBe(before);
});

it('knows nothing of a model that is no folder', async () => {
  expect(await modelFingerprint(join(folder, 'absent'))).toBeUndefined();
});
