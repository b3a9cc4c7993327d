// Decoders with random weights, generated on the fly into a folder that git ignores, and kept there.
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { knownModel } from '../src/cost/models.js';
import type { DecoderShape } from '../src/cost/shape.js';
import { pendingFile } from '../src/files/atomic.js';
import { decodeModel, type OnnxModel } from '../src/onnx/read.js';
import { concatChunks, encodeModel } from '../src/onnx/write.js';
import { inMemory, randomDecoder, toFile, type WeightType } from './decoder.js';

/** Which decoder to generate. */
export interface Wanted {
  /** A name that `fastv cost --model` knows. */
  readonly shape: string;
  readonly layers: number;
  readonly weights: WeightType;
  /** Whether all layers read the same weights: see {@link randomDecoder}. */
  readonly shareWeights?: boolean;
}

/** A generated decoder on disk. */
export interface Generated {
  readonly file: string;
  readonly shape: DecoderShape;
}

const FOLDER = join(import.meta.dirname, '..', '..', 'models');

function shapeOf(name: string, layers: number, weights: WeightType): DecoderShape {
  return { ...knownModel(name).shape, layers, kvBytesPerElement: weights === 'int4-fp16' ? 2 : 4 };
}

/** Generates the decoder if it isn't there. */
export function cached({ shape: name, layers, weights, shareWeights = false }: Wanted): Generated {
  const shape = shapeOf(name, layers, weights);
  const folder = join(FOLDER, `${name}-${layers}-${weights}${shareWeights ? '-shared' : ''}`);
  const file = join(folder, 'model.onnx');
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    const data = openSync(join(folder, 'model.onnx.data'), 'w');
    const sink = toFile('model.onnx.data', (bytes) => {
      for (let done = 0; done < bytes.length;) done += writeSync(data, bytes, done);
    });
    writeModel(randomDecoder(shape, weights, sink, layers, shareWeights), file);
    closeSync(data);
  }
  return { file, shape };
}

/** The same with a data file of holes: for whatever never reads the weights. */
export function cachedWithoutWeights({ shape: name, layers, weights }: Wanted): Generated {
  const shape = shapeOf(name, layers, weights);
  const folder = join(FOLDER, `${name}-${layers}-${weights}-holes`);
  const file = join(folder, 'model.onnx');
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    let length = 0;
    const sink = toFile('model.onnx.data', (bytes) => (length += bytes.length));
    const model = randomDecoder(shape, weights, sink);
    const data = openSync(join(folder, 'model.onnx.data'), 'w');
    ftruncateSync(data, length);
    closeSync(data);
    writeModel(model, file);
  }
  return { file, shape };
}

/** The same with the weights inside the model file. */
export function cachedInOneFile({ shape: name, layers, weights }: Wanted): Generated {
  const shape = shapeOf(name, layers, weights);
  const file = join(FOLDER, `${name}-${layers}-${weights}-single`, 'model.onnx');
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    writeModel(randomDecoder(shape, weights, inMemory), file);
  }
  return { file, shape };
}

/** Deletes what was generated for this decoder: fp32 weights at 7B shapes take gigabytes. */
export function forget({ file }: Generated): void {
  rmSync(dirname(file), { recursive: true, force: true });
}

type AnyModel = Parameters<typeof encodeModel>[0];

/** Writes a model file, whole or not at all. */
export function writeModel(model: AnyModel, file: string): void {
  const part = pendingFile(file);
  try {
    for (const chunk of encodeModel(model)) part.write(chunk);
    part.keep();
  } finally {
    part.discard();
  }
}

/** A model as the rewrite takes it. */
export function parsed(model: AnyModel): OnnxModel {
  return decodeModel(concatChunks(encodeModel(model)));
}
