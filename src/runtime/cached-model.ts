// What is kept of models on a device, in Node and in a browser.

/**
 * A model that is kept, or a decoder that fastv has rewritten and kept.
 * @example
 * for (const { kind, name, bytes }: Cached of await listCache()) console.log(kind, name, bytes);
 */
export interface Cached {
  /**
   * `model`: files that Transformers.js fetched. `rewrite`: a decoder of fastv's (in Node). `runtime`: ONNX Runtime's
   * WebAssembly, which Transformers.js keeps too (in a browser).
   */
  readonly kind: 'model' | 'rewrite' | 'runtime';
  /** The model's name on the hub; of a rewrite the path of its file, of the runtime its package. */
  readonly name: string;
  readonly bytes: number;
  readonly files: number;
}

/** All bytes of these. */
export function bytesOf(all: readonly Cached[]): number {
  return all.reduce((sum, { bytes }) => sum + bytes, 0);
}
