// A decoder and its rewritten self as ONNX Runtime sessions. The rewritten graph is handed over in memory; its weights
// are read from where they lie, so nothing is copied and nothing is written to disk.
import { basename, resolve } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import { FastvError } from '../errors.js';
import { readModelFile, type ModelFile } from '../files/model-file.js';
import { concatChunks, encodeModel, GraphView } from '../onnx/index.js';
import { lastTokenTail, recogniseDecoder, rewriteDecoder, type Decoder } from '../rewrite/index.js';
import { besideWeights } from '../runtime/decoder-file.js';
import { withProcessorNodes } from '../runtime/processor-nodes.js';
import { nodeSessionClass } from '../runtime/node-session.js';
import { referToWeights } from '../runtime/rewritten-graph.js';
import { sleepingThreads } from '../runtime/sleeping-threads.js';
import { reasonOf } from '../runtime/tell.js';
import { exactSession } from '../runtime/unsigned-file.js';
import { DEFAULT_STRATEGY, parseMethod } from '../strategies/index.js';
import type { Device } from './devices.js';
import type { Feeds } from './feeds.js';
import { decoderInputs, type DecoderInputs } from './inputs.js';

/** Options of every session: all optimisations, threads for every core, which sleep while they wait. */
export const SESSION: InferenceSession.SessionOptions = {
  logSeverityLevel: 3,
  graphOptimizationLevel: 'all',
  ...sleepingThreads(),
};

/** A decoder file, and what the rewrite sees in it. */
export interface DecoderFile extends ModelFile {
  readonly decoder: Decoder;
}

/** How a decoder is rewritten. */
export interface Rewriting {
  /** K. */
  readonly layer: number;
  /** Whether only the tokens whose logits are used go on after the last attention. */
  readonly tail?: boolean;
  /** A strategy, or a preset, by its name. Default: attention. */
  readonly method?: string;
}

/** What ONNX Runtime is to load: the file as it is, or a graph whose weights lie in the file's folder. */
export interface Source {
  readonly file: DecoderFile;
  readonly graph?: Uint8Array<ArrayBuffer>;
  /** The same to look at. */
  readonly view: GraphView;
}

/** A decoder that is ready to run. */
export interface OpenDecoder {
  readonly inputs: DecoderInputs;
  readonly session: InferenceSession;
  /** Milliseconds that loading took. */
  readonly loadMs: number;
  /** Runs it. @throws {FastvError} `unsupported-decoder` with what ONNX Runtime says */
  run(feeds: Feeds): Promise<InferenceSession.ReturnType>;
}

/**
 * Reads a decoder file.
 * @throws {FastvError} `io`, `malformed-model`, `external-data`, or `unsupported-decoder`
 */
export async function readDecoder(path: string): Promise<DecoderFile> {
  const file = await readModelFile(path);
  return { ...file, decoder: recogniseDecoder(file.model) };
}

/** The decoder as it is. */
export function originalOf(file: DecoderFile): Source {
  return { file, view: file.decoder.graph };
}

/**
 * The decoder rewritten.
 * @returns what to load, and whether its tail was cut down (`all`: it can't be, or nobody asked)
 * @throws {FastvError} `unsupported-decoder`, or `invalid-option` for a K that is out of range
 */
export function rewrittenOf(
  file: DecoderFile,
  { layer, tail = false, method = DEFAULT_STRATEGY }: Rewriting,
): Source & { readonly graph: Uint8Array<ArrayBuffer>; readonly tail: 'all' | 'last' } {
  const short = tail ? lastTokenTail(file.model) : { model: file.model, changed: false };
  const { strategy, weights, merge } = parseMethod(method, '--method');
  const { model } = rewriteDecoder(short.model, {
    stages: [{ layer }],
    strategy,
    ...(weights && { weights }),
    ...(merge && { merge }),
  });
  referToWeights(model, file.bytes, basename(file.path));
  return {
    file,
    graph: concatChunks(encodeModel(model)),
    view: new GraphView(model.graph),
    tail: short.changed ? 'last' : 'all',
  };
}

/**
 * Loads a decoder.
 * @param options of the session, besides where it runs
 * @throws {FastvError} `unsupported-decoder` if ONNX Runtime can't load it; `invalid-option` without such a device
 */
export async function openDecoder(
  { file, graph, view }: Source,
  device: Device = 'cpu',
  options: InferenceSession.SessionOptions = SESSION,
): Promise<OpenDecoder> {
  const start = performance.now();
  const settings = { ...options, executionProviders: [device], ...statesStay(file.decoder, device) };
  const session = await createSession(file.path, graph, withProcessorNodes(settings, view), device);
  const loadMs = performance.now() - start;
  return {
    inputs: decoderInputs(session, file.decoder),
    session,
    loadMs,
    run: async (feeds) => {
      try {
        return await session.run(feeds);
      } catch (cause) {
        throw refusal('run', file.path, cause);
      }
    },
  };
}

/** On a GPU the caches stay there between calls, as apps keep them: a copy of them is no part of a prefill. */
function statesStay({ layers }: Decoder, device: Device): InferenceSession.SessionOptions {
  if (device === 'cpu') return {};
  const states = layers.flatMap(({ presentStates }) => presentStates);
  return { preferredOutputLocation: Object.fromEntries(states.map((name) => [name, 'gpu-buffer'] as const)) };
}

/** Lets go of what a run gave: memory of a GPU isn't the garbage collector's. */
export function dispose(outputs: InferenceSession.ReturnType): void {
  for (const output of Object.values(outputs)) if ('dispose' in output) output.dispose();
}

async function createSession(
  path: string,
  graph: Uint8Array<ArrayBuffer> | undefined,
  options: InferenceSession.SessionOptions,
  device: Device,
): Promise<InferenceSession> {
  try {
    const source =
      graph === undefined ? { model: path, options } : besideWeights(resolve(path), graph, options);
    return await exactSession(await nodeSessionClass(), source.model, source.options);
  } catch (cause) {
    if (device === 'webgpu' && /adapter|webgpu|dawn|vulkan/iu.test(reasonOf(cause))) {
      throw new FastvError('invalid-option', `there is no WebGPU device: ${reasonOf(cause)}`, {
        where: '--device webgpu',
        hint: 'A Vulkan, Metal or Direct3D 12 driver is needed; a software one will do.',
        cause,
      });
    }
    throw refusal('load', path, cause);
  }
}

function refusal(what: 'load' | 'run', path: string, cause: unknown): FastvError {
  return new FastvError('unsupported-decoder', `ONNX Runtime can't ${what} the decoder: ${reasonOf(cause)}`, {
    where: path,
    hint: 'Check with the original decoder that this version of ONNX Runtime has its operators and types.',
    cause,
  });
}
