import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FastvError } from '../errors.js';
import {
  concatChunks,
  create,
  DataType,
  encodeModel,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type OnnxModel,
} from '../onnx/index.js';
import { modelOf, node } from '../../test/graphs.js';
import { valueInfo } from '../onnx/value-info.js';
import { sessionError } from './session-error.js';
import { installSwap, withSwap, type SessionOptions } from './session-swap.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-session-error-'));
  installSwap(InferenceSession);
});
afterAll(() => rm(folder, { recursive: true }));

/** y = opType(x). */
function modelWith(opType: string): OnnxModel {
  const info = (name: string) => valueInfo(name, DataType.FLOAT, [1]);
  return modelOf({ inputs: [info('x')], outputs: [info('y')], nodes: [node(opType, ['x'], ['y'])] });
}

function bytesOf(model: OnnxModel): Uint8Array<ArrayBuffer> {
  return concatChunks(encodeModel(model));
}

/** A model whose weight lies in `weights.onnx_data`, which is not there. */
function withoutWeights(): Uint8Array<ArrayBuffer> {
  const model = modelWith('Relu');
  model.graph.node.splice(0, 1, node('Add', ['x', 'w'], ['y']));
  model.graph.initializer.push(
    create(TensorProtoSchema, {
      name: 'w',
      dataType: DataType.FLOAT,
      dims: [1n],
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: [create(StringStringEntryProtoSchema, { key: 'location', value: 'weights.onnx_data' })],
    }),
  );
  return bytesOf(model);
}

/** What a load with the plug's options throws. */
async function loadError(source: string | Uint8Array, options: SessionOptions = {}): Promise<unknown> {
  const given = withSwap({ logSeverityLevel: 4, ...options }, (asked) => Promise.resolve(asked));
  const session =
    typeof source === 'string'
      ? InferenceSession.create(source, given)
      : InferenceSession.create(source, given);
  return session.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('what ONNX Runtime cannot load', () => {
  it.each([
    ['cut short', () => bytesOf(modelWith('Relu')).subarray(0, 20), 'malformed-model'],
    ['empty', () => new Uint8Array(), 'malformed-model'],
    ['no model', () => new TextEncoder().encode('<html>'), 'malformed-model'],
    ['with an unknown operator', () => bytesOf(modelWith('Frobnicate')), 'inference'],
    ['without its weights', withoutWeights, 'external-data'],
  ] as const)('a model %s: the file, and what to do', async (name, bytes, code) => {
    const file = join(folder, `${name.replaceAll(' ', '-')}.onnx`);
    await writeFile(file, bytes());
    const error = await loadError(file);
    expect(error).toBeInstanceOf(FastvError);
    expect(error).toMatchObject({ code, where: file });
    const { message, hint } = error as FastvError;
    expect(hint).toMatch(/\w/u);
    // no path of ONNX Runtime's sources, no signature, no second line
    expect(message).not.toMatch(/onnxruntime_src|::|\n/u);
  });

  it('a model in memory, as a browser has it: which part of it that is', async () => {
    expect(await loadError(bytesOf(modelWith('Frobnicate')))).toMatchObject({
      code: 'inference',
      where: expect.stringMatching(/^a model of \d+ bytes, in memory$/u) as unknown,
    });
  });

  it('a device that is not there', async () => {
    const file = join(folder, 'right.onnx');
    await writeFile(file, bytesOf(modelWith('Relu')));
    expect(await loadError(file)).toBeUndefined();
    expect(await loadError(file, { executionProviders: ['nope'] })).toMatchObject({
      code: 'invalid-option',
      where: file,
    });
  });

  // as ONNX Runtime 1.30 says it in Node and 1.31 on the web
  it.each([
    ['std::bad_alloc', 'inference', /memory/u],
    ['Failed to allocate memory for requested buffer of size 33554432', 'inference', /memory/u],
    ['RangeError: Array buffer allocation failed', 'inference', /memory/u],
    [
      '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::WebGpuContext::Initialize(const onnxruntime::webgpu::WebGpuContextConfig&)::<lambda()> adapter_result.status == wgpu::RequestAdapterStatus::Success was false. Failed to get a WebGPU adapter: No supported adapters\n',
      'invalid-option',
      /No supported adapters/u,
    ],
    [
      'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library',
      'invalid-option',
      /Cuda/u,
    ],
    [
      "Can't create a session. ERROR_CODE: 9, ERROR_MESSAGE: Could not find an implementation for Relu(14) node",
      'inference',
      /operators/u,
    ],
    [
      'Deserialize tensor w failed.Failed to load external data file weights.onnx_data, error: Module.MountedFiles is not available.',
      'external-data',
      /weights/u,
    ],
    ['anything else\nat length', 'inference', /cannot load the model: anything else$/u],
  ] as const)('%j', (text, code, message) => {
    const error = sessionError(new Error(text), 'decoder.onnx');
    expect(error).toMatchObject({ code, where: 'decoder.onnx' });
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/onnxruntime_src|\n/u);
  });
});
