// A look at the outer fields of an ONNX file before it is read whole: gigabytes of zeros, or of one text, take as much
// memory as a model, and are none. (https://protobuf.dev/programming-guides/encoding/)
import { closeSync, readSync } from 'node:fs';
import { FastvError } from '../errors.js';
import { openRegular } from './read.js';

/** Smaller files are read and refused in no time. */
const FROM = 2 ** 26;
/** Bytes of what is neither the graph nor functions: versions, names, texts. */
const MOST_BESIDE = 2 ** 26;
const MOST_FIELDS = 2 ** 16;
/** ModelProto's `graph`, `training_info` and `functions`. */
const LARGE: ReadonlySet<number> = new Set([7, 20, 25]);

/**
 * Refuses a large file whose outer fields are no model's.
 * @throws {FastvError} `malformed-model`; `io` as opening it does
 */
export function checkModelHead(path: string): void {
  const { fd, size } = openRegular(path);
  try {
    if (size < FROM) return;
    const reason = faultIn(size, (bytes, at) => readSync(fd, bytes, 0, bytes.length, at));
    if (reason === undefined) return;
    throw new FastvError('malformed-model', `this is no ONNX model: ${reason}`, {
      where: path,
      hint: 'Check that the file is complete.',
    });
  } finally {
    closeSync(fd);
  }
}

function faultIn(size: number, read: (bytes: Uint8Array, at: number) => number): string | undefined {
  const bytes = new Uint8Array(20);
  let beside = 0;
  let fields = 0;
  for (let at = 0; at < size; fields++) {
    const length = read(bytes, at);
    const tag = varint(bytes, 0, length);
    const [number, wire] = [Math.floor(tag.value / 8), tag.value % 8];
    if (!(number >= 1) || fields === MOST_FIELDS) return `at byte ${at} there is none of its fields`;
    const value = varint(bytes, tag.end, length);
    let content = 0;
    let end = at + tag.end;
    if (wire === 0) end = at + value.end;
    else if (wire === 1) end += 8;
    else if (wire === 5) end += 4;
    else if (wire === 2) [content, end] = [value.value, at + value.end + value.value];
    else return `at byte ${at} there is none of its fields`;
    if (!(end <= size)) return 'it ends in the middle of a field';
    if (!LARGE.has(number)) beside += content;
    if (beside > MOST_BESIDE) return `${beside} bytes of it are no graph`;
    at = end;
  }
  return undefined;
}

/** A varint and where it ends; NaN for what is none. Numbers above 2^53 need not be exact. */
function varint(
  bytes: Uint8Array,
  from: number,
  length: number,
): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let end = from, scale = 1; end < Math.min(length, from + 10); end++, scale *= 128) {
    const byte = bytes[end] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) return { value, end: end + 1 };
  }
  return { value: NaN, end: NaN };
}
