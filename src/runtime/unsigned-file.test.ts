import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inMemory, randomDecoder, toFile } from '../../bench/decoder.js';
import type { DecoderShape } from '../cost/shape.js';
import { concatChunks, decodeModel, encodeModel } from '../onnx/index.js';
import { recentre } from '../quantize/recentre.js';
import { besideWeights } from './decoder-file.js';
import { exactSession, unsignedSource } from './unsigned-file.js';
import type { SessionClass, SessionSource } from './session-swap.js';

const shape: DecoderShape = {
  layers: 2,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  mlp: 96,
  mlpMatrices: 3,
  vocab: 24,
  kvBytesPerElement: 4,
};

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fastv-unsigned-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});
const path = (name: string): string => join(folder, name);

/** A decoder with uint8 weights, which are exact everywhere, and the same decoder with int8 weights. */
function decoders(): { uint8: Uint8Array; int8: Uint8Array } {
  const uint8 = concatChunks(encodeModel(randomDecoder(shape, 'uint8', inMemory)));
  return { uint8, int8: concatChunks(encodeModel(recentre(decodeModel(uint8)).model)) };
}

/** The same int8 decoder with its weights in a file. */
function external(int8: Uint8Array): string {
  const model = decodeModel(int8.slice());
  const file = openSync(path('model.onnx_data'), 'w');
  const sink = toFile('model.onnx_data', (bytes) => writeSync(file, bytes));
  for (const tensor of model.graph.initializer) {
    if (tensor.rawData.length < 1024) continue;
    const { rawData } = tensor;
    Object.assign(tensor, sink.add(rawData), { rawData: new Uint8Array() });
  }
  closeSync(file);
  writeFileSync(path('model.onnx'), concatChunks(encodeModel(model)));
  return path('model.onnx');
}

async function logits({ model, options }: SessionSource): Promise<Float32Array> {
  const session =
    typeof model === 'string'
      ? await InferenceSession.create(model, options)
      : await InferenceSession.create(model, options);
  return run(session);
}

async function run(session: InferenceSession): Promise<Float32Array> {
  const length = 7;
  const embeds = Float32Array.from({ length: length * shape.hidden }, (_, i) => 3 * Math.sin(i * 0.7));
  const feeds: Record<string, Tensor> = {
    inputs_embeds: new Tensor('float32', embeds, [1, length, shape.hidden]),
    attention_mask: new Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]),
    num_logits_to_keep: new Tensor('int64', BigInt64Array.of(BigInt(length)), []),
  };
  for (const name of session.inputNames) {
    if (name.startsWith('past_')) {
      feeds[name] = new Tensor('float32', new Float32Array(), [1, shape.kvHeads, 0, shape.headDim]);
    }
  }
  return (await session.run(feeds))['logits']?.data as Float32Array;
}

function expectSame(actual: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? NaN))), 0);
  expect(largest).toBeGreaterThan(0);
  expect(worst / largest).toBeLessThan(1e-4);
}

const options = { logSeverityLevel: 3 } as const;
const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

describe('unsignedSource', () => {
  it('gives exact results of an int8 decoder in one file, and writes nothing', async () => {
    const { uint8, int8 } = decoders();
    writeFileSync(path('model.onnx'), int8);
    const before = digest(path('model.onnx'));
    const expected = await logits({ model: uint8, options });
    for (const model of [path('model.onnx'), pathToFileURL(path('model.onnx')).href]) {
      const source = await unsignedSource({ model, options });
      // the graph alone: the weights are read from the file
      expect((source.model as Uint8Array).length).toBeLessThan(int8.length / 4);
      expectSame(await logits(source), expected);
    }
    expect(readdirSync(folder)).toEqual(['model.onnx']);
    expect(digest(path('model.onnx'))).toBe(before);
  });

  it('gives exact results with external weights, and leaves both files alone', async () => {
    const { uint8, int8 } = decoders();
    const file = external(int8);
    const before = [digest(file), digest(`${file}_data`)];
    expectSame(
      await logits(await unsignedSource({ model: file, options })),
      await logits({ model: uint8, options }),
    );
    expect([digest(file), digest(`${file}_data`)]).toEqual(before);
  });

  it('gives exact results of a link to one file, and of bytes', async () => {
    const { uint8, int8 } = decoders();
    const expected = await logits({ model: uint8, options });
    writeFileSync(path('blob'), int8);
    symlinkSync('blob', path('model.onnx'));
    expectSame(await logits(await unsignedSource({ model: path('model.onnx'), options })), expected);
    expectSame(await logits(await unsignedSource({ model: int8, options })), expected);
  });

  it('gives exact results of a graph in memory whose weights lie in a folder', async () => {
    const { uint8, int8 } = decoders();
    const file = external(int8);
    const source = besideWeights(file, new Uint8Array(readFileSync(file)), options);
    expectSame(await logits(await unsignedSource(source)), await logits({ model: uint8, options }));
  });

  it('gives what has no int8 weights back', async () => {
    const { uint8 } = decoders();
    const source = { model: uint8, options };
    expect((await unsignedSource(source)).model).toBe(uint8);
    writeFileSync(path('model.onnx'), uint8);
    const file = { model: path('model.onnx'), options };
    expect(await unsignedSource(file)).toBe(file);
  });
});

describe('exactSession', () => {
  it('gives the same results of an int8 decoder as of its uint8 twin, on every processor', async () => {
    const { uint8, int8 } = decoders();
    writeFileSync(path('model.onnx'), int8);
    const expected = await run(await exactSession(InferenceSession, uint8, options));
    expectSame(await run(await exactSession(InferenceSession, path('model.onnx'), options)), expected);
    // a processor whose probe found clamped sums
    expectSame(await run(await exactSession(saturating(), path('model.onnx'), options)), expected);
  });
});

/** ONNX Runtime as it would be on a processor whose products saturate: the first model that it is given is the probe's. */
function saturating(): SessionClass {
  let probed = false;
  const create = (...args: Parameters<SessionClass['create']>): ReturnType<SessionClass['create']> => {
    if (probed) return InferenceSession.create(...args);
    probed = true;
    const product = { data: Int32Array.of(32_767) };
    const session = { run: () => Promise.resolve({ product }), release: () => Promise.resolve() };
    return Promise.resolve(session as unknown as InferenceSession);
  };
  return { create } as unknown as SessionClass;
}
