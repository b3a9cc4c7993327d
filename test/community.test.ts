// A real export for Transformers.js (Gemma-3-4B: GroupQueryAttention with attention_bias, sliding windows, a second
// rotary cache, num_logits_to_keep, 34 layers), rewritten, loaded and run once on zeros. The graph files are other
// people's and lie outside the project; where they are absent this says so and skips.
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, test } from 'vitest';
import { readModelFile } from '../src/files/model-file.js';
import { concatChunks, encodeModel, externalTensors } from '../src/onnx/index.js';
import { rewriteDecoder } from '../src/rewrite/index.js';

const folder = fileURLToPath(new URL('../../shared/fixtures/community/', import.meta.url));
const present = existsSync(folder);
if (!present) console.warn(`skipped: no community exports at ${folder}`);

describe.skipIf(!present).each(['decoder_model_merged_q4.onnx', 'decoder_model_merged.onnx'])(
  '%s',
  (name) => {
    const work = mkdtempSync(join(tmpdir(), 'fastv-community-'));
    afterAll(() => {
      rmSync(work, { recursive: true, force: true });
    });

    test('is rewritten and gives the shapes that the contract promises', async () => {
      const { model } = await readModelFile(join(folder, name), { checkData: false });
      // Weights of zeros: sparse files of the right length.
      const lengths = new Map<string, number>();
      for (const { location, offset, length } of externalTensors(model)) {
        lengths.set(location, Math.max(lengths.get(location) ?? 0, offset + (length ?? 0)));
      }
      for (const [file, length] of lengths) {
        writeFileSync(join(work, file), '');
        truncateSync(join(work, file), length);
      }
      const { model: rewritten, report } = rewriteDecoder(model, { stages: [{ layer: 2 }] });
      expect(report.layers).toBe(34);
      // Full precision takes 16 GB of weights: the graph is rewritten, only the 4-bit one is run.
      if (!name.includes('q4')) return;

      const path = join(work, name);
      writeFileSync(path, concatChunks(encodeModel(rewritten)));
      const session = await ort.InferenceSession.create(path, {
        graphOptimizationLevel: 'disabled',
        logSeverityLevel: 3,
      });
      const [sequence, images] = [20, 10];
      const feeds: Record<string, ort.Tensor> = {
        inputs_embeds: new ort.Tensor('float32', new Float32Array(sequence * 2560), [1, sequence, 2560]),
        attention_mask: new ort.Tensor('int64', new BigInt64Array(sequence).fill(1n), [1, sequence]),
        num_logits_to_keep: new ort.Tensor('int64', [1n], []),
        image_token_mask: new ort.Tensor(
          'bool',
          Array.from({ length: sequence }, (_, i) => i >= 4 && i < 4 + images),
          [1, sequence],
        ),
        prune_ratio: new ort.Tensor('float32', [0.5], [1]),
      };
      for (let layer = 0; layer < 34; layer++) {
        for (const kind of ['key', 'value']) {
          feeds[`past_key_values.${layer}.${kind}`] = new ort.Tensor(
            'float32',
            new Float32Array(0),
            [1, 4, 0, 256],
          );
        }
      }
      const results = await session.run(feeds);
      await session.release();
      expect(results['logits']?.dims).toEqual([1, 1, 262208]);
      expect(results['kept_indices']?.dims).toEqual([1, sequence - images / 2]);
      expect(results['present.1.key']?.dims).toEqual([1, 4, sequence, 256]);
      expect(results['present.2.key']?.dims).toEqual([1, 4, sequence - images / 2, 256]);
      expect(results['present.33.value']?.dims).toEqual([1, 4, sequence - images / 2, 256]);
    }, 240_000);
  },
);
