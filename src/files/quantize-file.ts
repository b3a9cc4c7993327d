// Quantises a decoder on disk: weights are read and written strip by strip, and nothing is left behind on failure.
import { closeSync, existsSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  GraphProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type TensorProto,
} from '../onnx/index.js';
import { FastvError } from '../errors.js';
import { pendingFile, type PendingFile } from './atomic.js';
import { readModelBytesSync } from './model-file.js';
import { modelRoots } from './model-roots.js';
import { openRegular } from './read.js';
import { withGraph } from '../onnx/edit.js';
import { checkLocation, externalFiles } from '../onnx/external.js';
import { withFields } from '../onnx/message.js';
import { decodeModel, type OnnxModel } from '../onnx/read.js';
import { encodeModel } from '../onnx/write.js';
import { DataFile } from '../quantize/data-file.js';
import { quantizing, type Quantized, type QuantizeOptions } from '../quantize/quantize.js';
import { bytesAsSource, type ByteSource } from '../quantize/source.js';

/** What {@link quantizeFile} did. */
export interface QuantizedFile extends Omit<Quantized, 'model'> {
  /** The graph file and its data file. */
  readonly files: readonly string[];
  /** Bytes of the model with all its data files, before and after. */
  readonly bytes: { readonly before: number; readonly after: number };
}

/** How {@link quantizeFile} works. */
export interface QuantizeFileOptions extends QuantizeOptions {
  /** A folder to write into under `output`'s name, for a caller that moves the files there; default: `output`'s own. */
  readonly into?: string;
}

/**
 * Quantises `input` into `output` and `output`_data (the name that Transformers.js looks for), or into `output` alone
 * if `input` is one file too.
 * @throws {FastvError} `invalid-option` if it would overwrite `input` or its weights, `external-data` if weights are
 *   missing
 */
export function quantizeFile(input: string, output: string, options: QuantizeFileOptions): QuantizedFile {
  const steps = quantizingFile(input, output, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** {@link quantizeFile}, a weight a step; what is left half done is removed at the last, or when the process exits. */
export function* quantizingFile(
  input: string,
  output: string,
  options: QuantizeFileOptions,
): Generator<undefined, QuantizedFile> {
  const model = decodeModel(readModelBytesSync(input), input);
  const dataName = `${basename(output)}_data`;
  const sources = [input, ...externalFiles(model).map((name) => join(dirname(input), name))];
  for (const target of [output, join(dirname(output), dataName)]) {
    if (!sources.some((source) => sameFile(source, target))) continue;
    throw new FastvError('invalid-option', 'the model cannot be quantised in place', {
      where: target,
      hint: 'choose another file for -o',
    });
  }
  const weights = new ExternalFiles(input);
  const folder = options.into ?? dirname(output);
  const [written, data] = [join(folder, basename(output)), join(folder, dataName)];
  const parts: PendingFile[] = [];
  const begin = (path: string): PendingFile => {
    const part = pendingFile(path);
    parts.push(part);
    return part;
  };
  try {
    const dataPart = begin(data);
    const writer = new DataFile(dataName, (bytes) => {
      dataPart.write(bytes);
    });
    const result = yield* quantizing(model, (tensor) => weights.source(tensor), writer, options);
    const single = externalFiles(model).length === 0;
    const final = single ? inlined(result.model, readFileSync(dataPart.temporary)) : result.model;
    const graph = begin(written);
    for (const chunk of encodeModel(final)) {
      graph.write(chunk);
      yield;
    }
    const before = statSync(input).size + weights.bytes;
    const after = graph.size + (single ? 0 : writer.length);
    if (!single) dataPart.keep();
    graph.keep();
    const { layers, recentred } = result;
    return { layers, recentred, files: single ? [written] : [written, data], bytes: { before, after } };
  } finally {
    weights.close();
    for (const part of parts) part.discard();
  }
}

/** A model with the weights of its data file inside it; they are views of `data`. */
function inlined(model: OnnxModel, data: Uint8Array<ArrayBuffer>): OnnxModel {
  const initializer = model.graph.initializer.map((tensor) => {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) return tensor;
    const entry = (key: string): number =>
      Number(tensor.externalData.find((pair) => pair.key === key)?.value);
    const rawData = data.subarray(entry('offset'), entry('offset') + entry('length'));
    const dataLocation = TensorProto_DataLocation.DEFAULT;
    return withFields(TensorProtoSchema, tensor, { rawData, dataLocation, externalData: [] });
  });
  return withGraph(model, withFields(GraphProtoSchema, model.graph, { initializer }));
}

/** The data files of a model, open as long as they are needed. */
class ExternalFiles {
  readonly #folder: string;
  readonly #roots: readonly string[];
  readonly #open = new Map<string, { file: number; size: number }>();

  constructor(model: string) {
    this.#folder = dirname(model);
    this.#roots = modelRoots(model);
  }

  /** Bytes of all files that were read from. */
  get bytes(): number {
    return [...this.#open.values()].reduce((sum, { size }) => sum + size, 0);
  }

  source(tensor: TensorProto): ByteSource {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL) {
      return bytesAsSource(tensor.rawData.length > 0 ? tensor.rawData : bytesOfFloats(tensor));
    }
    const entry = (key: string): string | undefined =>
      tensor.externalData.find((pair) => pair.key === key)?.value;
    const location = entry('location') ?? '';
    checkLocation(location, tensor.name);
    const { file, size } = this.#file(location);
    const start = Number(entry('offset') ?? 0);
    const length = Number(entry('length') ?? size - start);
    if (
      !(Number.isSafeInteger(start) && Number.isSafeInteger(length)) ||
      length < 0 ||
      start + length > size
    ) {
      throw new FastvError(
        'external-data',
        `the weight "${tensor.name}" lies beyond the end of ${location}`,
        {
          where: tensor.name,
          hint: 'Check that the data file is complete.',
        },
      );
    }
    return {
      length,
      read: (offset, count) => {
        const bytes = new Uint8Array(count);
        for (let done = 0; done < count;) {
          const got = readSync(file, bytes, done, count - done, start + offset + done);
          if (got === 0)
            throw new FastvError('external-data', `${location} ended early`, { where: tensor.name });
          done += got;
        }
        return bytes;
      },
    };
  }

  close(): void {
    for (const { file } of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  #file(location: string): { file: number; size: number } {
    const known = this.#open.get(location);
    if (known !== undefined) return known;
    const path = join(this.#folder, location);
    if (!existsSync(path)) {
      throw new FastvError('external-data', `the data file ${location} is missing`, {
        where: path,
        hint: 'It belongs beside the model.',
      });
    }
    const { fd: file, size } = openRegular(path, { roots: this.#roots, code: 'external-data' });
    const opened = { file, size };
    this.#open.set(location, opened);
    return opened;
  }
}

/** Small tensors may keep their floats in a repeated field. */
function bytesOfFloats({ floatData }: TensorProto): Uint8Array {
  return new Uint8Array(Float32Array.from(floatData).buffer);
}

/** Whether two paths mean one file; what is absent is no file. */
function sameFile(a: string, b: string): boolean {
  if (resolve(a) === resolve(b)) return true;
  if (!existsSync(a) || !existsSync(b)) return false;
  const [x, y] = [statSync(a), statSync(b)];
  return x.ino === y.ino && x.dev === y.dev;
}
