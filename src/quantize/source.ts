// Weights as something to read from piece by piece, wherever they lie: quantising a 7B model must not load it.

/** Some bytes: in memory, or in a file. */
export interface ByteSource {
  readonly length: number;
  /** The bytes [offset, offset + length); valid until the next read. */
  read(offset: number, length: number): Uint8Array;
}

/** Bytes in memory as a source; nothing is copied. */
export function bytesAsSource(bytes: Uint8Array): ByteSource {
  return { length: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}
