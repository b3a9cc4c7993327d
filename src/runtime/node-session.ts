// The ONNX Runtime that Transformers.js runs in Node, and how it is asked for a decoder.
import { createRequire } from 'node:module';
import type * as OnnxRuntime from 'onnxruntime-node';
import { basename } from 'node:path';
import { FastvError } from '../errors.js';
import type { SessionClass } from './session-swap.js';
import { reasonOf } from './tell.js';

/** What ONNX Runtime exports in Node. */
type Runtime = typeof OnnxRuntime;

/** Its session class. @throws as {@link nodeRuntime} */
export async function nodeSessionClass(): Promise<SessionClass> {
  return (await nodeRuntime()).InferenceSession;
}

/**
 * The copy that Transformers.js itself loads, wherever the package manager put it, so that it needn't be within our
 * own reach; in a bundle, where no module has a place, the one that `onnxruntime-node` means there.
 * @throws {FastvError} `io` with what to set, or which copies are in each other's way
 */
export async function nodeRuntime(): Promise<Runtime> {
  try {
    return requireRuntime() ?? (await import('onnxruntime-node'));
  } catch (cause) {
    throw noRuntime(cause);
  }
}

/** Loads it, where modules have places. @throws as {@link nodeRuntime} */
export function checkRuntime(): void {
  try {
    requireRuntime();
  } catch (cause) {
    throw noRuntime(cause);
  }
}

function noRuntime(cause: unknown): FastvError {
  return new FastvError('io', `ONNX Runtime cannot be loaded: ${reasonOf(cause)}`, {
    where: 'onnxruntime-node',
    hint: hintFor(cause),
    cause,
  });
}

/** By Transformers.js's own place; undefined where a bundler left no places. */
function requireRuntime(): Runtime | undefined {
  return runtimePlace()?.require('onnxruntime-node') as Runtime | undefined;
}

/** Where the copy of ONNX Runtime is that fastv's Transformers.js runs. */
function runtimePlace(): { readonly require: NodeJS.Require; readonly path: string } | undefined {
  const here: unknown = import.meta.url;
  // a bundle in CommonJS has no import.meta.url
  if (typeof here !== 'string') return undefined;
  // a bundler may put the number of a module here: Turbopack does
  const transformers: unknown = createRequire(here).resolve('@huggingface/transformers');
  if (typeof transformers !== 'string') return undefined;
  const require = createRequire(transformers);
  return { require, path: require.resolve('onnxruntime-node') };
}

function hintFor(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  if (code === 'ERR_DLOPEN_FAILED') {
    const copies = [...loadedRuntimes(), runtimePlace()?.path ?? 'the one in this bundle'];
    return `Two copies of ONNX Runtime do not go together: npm dedupe, or one version of @huggingface/transformers.${copies.map((path) => `\n  ${path}`).join('')}`;
  }
  return "Install @huggingface/transformers (without network beyond npm: ONNXRUNTIME_NODE_INSTALL=skip). In a bundle, leave it out: serverExternalPackages: ['fastv'] in Next.js, external in esbuild and Rollup.";
}

/** The native libraries of ONNX Runtime that this process has loaded. */
export function loadedRuntimes(): string[] {
  const report = process.report.getReport() as { sharedObjects?: unknown };
  const objects: unknown[] = Array.isArray(report.sharedObjects) ? report.sharedObjects : [];
  return objects.flatMap((path) =>
    typeof path === 'string' && path.endsWith('onnxruntime_binding.node') ? [path] : [],
  );
}

/** Whether a file that Transformers.js asks for is a decoder. */
export function isDecoderFile(path: string): boolean {
  return basename(path).startsWith('decoder_model_merged');
}
