// Quantising the embedded model's decoder, with its accuracy before and after.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../../test/cli.js';
import {
  concatChunks,
  create,
  DataType,
  decodeModel,
  encodeModel,
  TensorProtoSchema,
  type OnnxModel,
} from '../../onnx/index.js';
import { rewriteDecoder } from '../../rewrite/index.js';
import { EMBEDDED_MODEL } from '../../runtime/embedded.js';
import { EXIT } from '../main.js';
import { refuseChanges, type Evaluation } from './quantize-evaluate.js';

const INT8: number = DataType.INT8;
const UINT8: number = DataType.UINT8;
const part = (name: string): string => join(EMBEDDED_MODEL, 'onnx', name);
const decode = async (name: string): Promise<OnnxModel> => decodeModel(await readFile(part(name)));

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastv-quantize-evaluate-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** The model's folder with other decoders; returns the path of the first. */
async function modelWith(decoders: Readonly<Record<string, OnnxModel>>): Promise<string> {
  const model = join(folder, 'model');
  await mkdir(join(model, 'onnx'), { recursive: true });
  for (const name of await readdir(EMBEDDED_MODEL)) {
    if (name.endsWith('.json')) await cp(join(EMBEDDED_MODEL, name), join(model, name));
  }
  for (const name of ['embed_tokens.onnx', 'vision_encoder.onnx'])
    await cp(part(name), join(model, 'onnx', name));
  for (const [name, decoder] of Object.entries(decoders)) {
    await writeFile(join(model, 'onnx', name), concatChunks(encodeModel(decoder)));
  }
  return join(model, 'onnx', Object.keys(decoders)[0] ?? '');
}

/** int8 weights as the same uint8 weights around 128. */
function toUint8(model: OnnxModel): number {
  let count = 0;
  const zero = create(TensorProtoSchema, { name: 'zero-128', dataType: UINT8, rawData: Uint8Array.of(128) });
  model.graph.initializer.push(zero);
  for (const node of model.graph.node) {
    if (node.opType !== 'MatMulInteger') continue;
    const weight = model.graph.initializer.find(({ name }) => name === node.input[1]);
    if (weight?.dataType !== INT8) continue;
    weight.dataType = UINT8;
    weight.rawData = weight.rawData.map((byte) => byte ^ 0x80);
    node.input = [node.input[0] ?? '', weight.name, node.input[2] ?? '', zero.name];
    count++;
  }
  return count;
}

/**
 * The same function in weights that blocks of 4 bits cannot hold: one channel after each normalisation is made tiny
 * there and huge in the layers that read it, so that the others round to nothing beside it.
 */
function withOutliers(model: OnnxModel): OnnxModel {
  const scale = (name: string | undefined, index: (i: number) => boolean, by: number): void => {
    const tensor = model.graph.initializer.find((t) => t.name === name);
    if (tensor === undefined) return;
    const values = new Float32Array(tensor.rawData.slice().buffer);
    tensor.rawData = new Uint8Array(values.map((v, i) => (index(i) ? v * by : v)).buffer);
  };
  for (const norm of model.graph.node.filter(({ opType }) => opType.endsWith('LayerNormalization'))) {
    const readers = model.graph.node.filter(({ input }) => input.includes(norm.output[0] ?? ''));
    if (!readers.every(({ opType }) => opType === 'MatMul')) continue;
    scale(norm.input[norm.opType.startsWith('Skip') ? 2 : 1], (i) => i === 0, 1e-4);
    for (const { input } of readers) {
      const width = Number(model.graph.initializer.find(({ name }) => name === input[1])?.dims[1]);
      scale(input[1], (i) => i < width, 1e4);
    }
  }
  return model;
}

const evaluate = ['--evaluate', 'scenes-existence,scenes-count-all', '--limit', '2'];

describe('fastv quantize --evaluate', { timeout: 180_000 }, () => {
  it("scores the embedded model before and after, in its decoder's own folder", async () => {
    const output = join(folder, 'int8.onnx');
    const { code, out } = await runCli(
      'quantize',
      part('decoder_model_merged.onnx'),
      '-o',
      output,
      ...evaluate,
    );
    expect(code).toBe(EXIT.ok);
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/^\d+ layers to int8; /);
    expect(out).toMatch(
      /^task +before % +after % +difference +95% interval +p \(McNemar\) +same answers +questions$/mu,
    );
    for (const name of ['scenes-existence \\(accuracy\\)', 'scenes-count-all \\(accuracy\\)', 'mean']) {
      expect(out).toMatch(new RegExp(`^${name} +\\d+\\.\\d +\\d+\\.\\d +[+-]?\\d.* [24]$`, 'mu'));
    }
    expect(await readdir(folder)).toEqual(['int8.onnx']);
  });

  it('says that accuracy is lost where it is lost', async () => {
    const model = withOutliers(await decode('decoder_model_merged.onnx'));
    const file = await modelWith({ 'decoder_model_merged.onnx': model });
    const output = join(folder, 'int4.onnx');
    const argv = ['quantize', file, '-o', output, '--type', 'int4', '--block', '256', '--json'];
    const { code, out } = await runCli(...argv, '--evaluate', 'scenes-existence', '--limit', '4');
    expect(code).toBe(EXIT.ok);
    const { files, evaluation } = JSON.parse(out) as { files: string[]; evaluation: Evaluation };
    expect(files).toEqual([output]);
    expect(evaluation).toMatchObject({ model: join(folder, 'model'), limit: 4, complete: true });
    const [task] = evaluation.tasks;
    expect(task).toMatchObject({ task: 'scenes-existence', metric: 'accuracy', samples: 4 });
    expect(task?.after).toBeLessThan(task?.before ?? 0);
    expect(task?.difference?.estimate).toBeCloseTo((task?.after ?? 0) - (task?.before ?? 0), 9);
    expect(task?.difference?.mcnemar).toBeLessThan(1);
    expect(evaluation.mean).toMatchObject({ before: task?.before, after: task?.after, samples: 4 });
  });

  it('from uint8 to int8 gives the same answers', async () => {
    const model = await decode('decoder_model_merged_quantized.onnx');
    const weights = toUint8(model);
    expect(weights).toBeGreaterThan(0);
    const file = await modelWith({ 'decoder_model_merged_quantized.onnx': model });
    const { code, out } = await runCli('quantize', file, '-o', join(folder, 'o.onnx'), '--json', ...evaluate);
    expect(code).toBe(EXIT.ok);
    const { layers, recentred, evaluation } = JSON.parse(out) as {
      layers: unknown[];
      recentred: number;
      evaluation: Evaluation;
    };
    expect({ layers, recentred }).toEqual({ layers: [], recentred: weights });
    expect(evaluation.tasks.map(({ loyalty }) => loyalty)).toEqual([1, 1]);
  });

  it.each([
    ['tasks that are none', ['--evaluate', 'nothing'], EXIT.usage, /no task is named "nothing"/u],
    ['names that are none', ['--evaluate', ','], EXIT.usage, /names with commas/u],
    ['no question', ['--evaluate', '--limit', '0'], EXIT.usage, /1 or more/u],
    [
      'options of an evaluation without one',
      ['--limit', '3'],
      EXIT.usage,
      /where: --limit\n {2}hint: add --evaluate/u,
    ],
    ['a dtype that the model has not', [...evaluate, '--dtype', 'q4'], EXIT.refused, /no file .*_q4\.onnx/u],
    ['data that are nowhere', ['--evaluate', 'gqa'], EXIT.refused, /network is not allowed/u],
  ] as [string, string[], number, RegExp][])(
    'refuses %s, and writes nothing',
    async (_, argv, code, message) => {
      const result = await runCli(
        'quantize',
        part('decoder_model_merged.onnx'),
        '-o',
        join(folder, 'o.onnx'),
        ...argv,
      );
      expect(result.err).toMatch(message);
      expect(result.code).toBe(code);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it('refuses a decoder outside a model, one that is rewritten, and one that is absent', async () => {
    const original = await decode('decoder_model_merged.onnx');
    const { model } = rewriteDecoder(original, { stages: [{ layer: 2 }] });
    const rewritten = await modelWith({ 'decoder_model_merged.onnx': model });
    const stray = join(folder, 'stray.onnx');
    await cp(rewritten, stray);
    for (const [file, code, message] of [
      [rewritten, EXIT.refused, /rewritten already/u],
      [stray, EXIT.usage, /lies in no model/u],
      [join(folder, 'no.onnx'), EXIT.refused, /no such file/u],
    ] as const) {
      const result = await runCli('quantize', file, '-o', join(folder, 'o.onnx'), ...evaluate);
      expect(result.err).toMatch(message);
      expect(result.code).toBe(code);
      expect((await readdir(folder)).sort()).toEqual(['model', 'stray.onnx']);
    }
  });
});

describe('refuseChanges', () => {
  const task = { task: 't', metric: 'accuracy', before: 0.5, after: 0.5, samples: 4, difference: null };
  const comparison = (loyalty: number) => ({ tasks: [{ ...task, loyalty }], mean: null, complete: true });

  it('refuses other answers, though they be as often right', () => {
    expect(() => {
      refuseChanges(comparison(0.75));
    }).toThrow(expect.objectContaining({ code: 'invalid-input', where: 't' }));
  });

  it('takes the same answers', () => {
    expect(() => {
      refuseChanges(comparison(1));
    }).not.toThrow();
  });
});
