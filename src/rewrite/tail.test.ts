import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { inMemory, randomDecoder } from '../../bench/decoder.js';
import { Conversation, lastLogits, maxDifference, type Call } from '../../test/session.js';
import { checkPass } from '../../test/pass.js';
import { concatChunks, decodeModel, encodeModel, type OnnxModel } from '../onnx/index.js';
import { rewriteDecoder } from './rewrite-decoder.js';
import { lastTokenTail } from './tail.js';

const folder = new URL('../../test/fixtures/decoders/', import.meta.url);
const HIDDEN = 64;
const noise = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * i * 0.37));

describe.each(readdirSync(folder).sort())('%s', (name) => {
  const model = decodeModel(readFileSync(new URL(`${name}/model.onnx`, folder)), name);
  const data = new URL(`${name}/model.onnx.data`, folder);
  const externalData = existsSync(data) ? [{ path: 'model.onnx.data', data: readFileSync(data) }] : [];
  const options = { externalData, headSize: name.startsWith('qwen3') ? 32 : 16 };
  const sequence = 20;
  const prefill: Call = {
    batch: 1,
    sequence,
    hidden: HIDDEN,
    embeds: noise(sequence * HIDDEN),
    imageTokenMask: Array.from({ length: sequence }, (_, i) => i > 3 && i < 15),
    ratios: [0.5],
  };
  const step: Call = { batch: 1, sequence: 1, hidden: HIDDEN, embeds: noise(HIDDEN), ratios: [0.5] };

  it('gives the last token’s logits alone, the same, in prefill and decoding', async () => {
    const { model: short, changed, report } = lastTokenTail(model);
    expect(changed).toBe(true);
    expect(report.exact).toBe(false);
    const [whole, tail] = [await Conversation.open(model, options), await Conversation.open(short, options)];
    for (const call of [prefill, step, step]) {
      const [expected, given] = [await whole.call(call), await tail.call(call)];
      expect(given.logitsDims.slice(0, 2)).toEqual([1, 1]);
      expect(maxDifference(lastLogits(given), lastLogits(expected))).toBeLessThan(1e-5);
      expect(given.cacheLengths).toEqual(expected.cacheLengths);
    }
  });

  it('goes with pruning', async () => {
    const stages = [{ layer: 5 }];
    const whole = await Conversation.open(rewriteDecoder(model, { stages }).model, options);
    const tail = await Conversation.open(
      rewriteDecoder(lastTokenTail(model).model, { stages }).model,
      options,
    );
    for (const call of [prefill, step, step]) {
      const [expected, given] = [await whole.call(call), await tail.call(call)];
      expect(given.kept).toEqual(expected.kept);
      expect(given.logitsDims.slice(0, 2)).toEqual([1, 1]);
      expect(maxDifference(lastLogits(given), lastLogits(expected))).toBeLessThan(1e-5);
    }
  });
});

describe('a decoder with num_logits_to_keep', () => {
  const shape = { layers: 2, hidden: 32, heads: 2, kvHeads: 1, headDim: 16, mlp: 48, vocab: 20 };
  const model = decodeModel(
    concatChunks(
      encodeModel(randomDecoder({ ...shape, mlpMatrices: 3, kvBytesPerElement: 4 }, 'fp32', inMemory)),
    ),
  );

  async function logits(
    of: OnnxModel,
    keep: number,
  ): Promise<{ data: Float32Array; dims: readonly number[] }> {
    const session = await InferenceSession.create(concatChunks(encodeModel(of)), { logSeverityLevel: 3 });
    const feeds: Record<string, Tensor> = {
      inputs_embeds: new Tensor('float32', noise(6 * 32), [1, 6, 32]),
      attention_mask: new Tensor('int64', new BigInt64Array(6).fill(1n), [1, 6]),
      num_logits_to_keep: new Tensor('int64', BigInt64Array.of(BigInt(keep)), []),
    };
    for (const input of session.inputNames) {
      if (input.startsWith('past_')) feeds[input] = new Tensor('float32', new Float32Array(), [1, 1, 0, 16]);
    }
    const result = (await session.run(feeds))['logits'];
    return { data: result?.data as Float32Array, dims: result?.dims ?? [] };
  }

  it.each([0, 1, 3, 6, 9])('gives as many as asked for: %i', async (keep) => {
    const { model: short, changed, report } = lastTokenTail(model);
    expect(changed).toBe(true);
    expect(report.exact).toBe(true);
    const [expected, given] = [await logits(model, keep), await logits(short, keep)];
    expect(given.dims).toEqual(expected.dims);
    expect(maxDifference(given.data, expected.data)).toBeLessThan(1e-5);
  });

  it('changes nothing the second time that matters', async () => {
    const twice = lastTokenTail(lastTokenTail(model).model).model;
    expect(maxDifference((await logits(twice, 1)).data, (await logits(model, 1)).data)).toBeLessThan(1e-5);
  });

  it('leaves the given model as it was, and a tail that it does not understand', () => {
    checkPass(lastTokenTail, model, { changed: true });
    const odd = decodeModel(concatChunks(encodeModel(model)));
    for (const node of odd.graph.node) if (node.output.includes('logits')) node.opType = 'CumSum';
    expect(checkPass(lastTokenTail, odd, { changed: false }).report).toEqual({ exact: true });
  });
});
