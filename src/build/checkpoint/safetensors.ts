// The table of contents of a safetensors file: 8 bytes with its length, then JSON, then the tensors' bytes. The format's
// own rules (huggingface/safetensors, README) are checked, so that nobody reads what is not a tensor's: offsets in order
// and inside the file, as many bytes as the shape needs, none twice.
//
// @huggingface/hub reads such headers too, but checks none of this, and brings WebAssembly for uploads along.
import { isLfsPointer, LFS_HINT } from '../../lfs-pointer.js';
import { printable } from '../../printable.js';
import { broken, sizeOf, type RandomAccess, type StoredTensor } from './stored-tensor.js';

/** The longest header: some hundred bytes a tensor. The reference implementation takes 100 MB, which fill a gigabyte. */
const MAX_HEADER = 2 ** 24;

/** Bits of an element, by the format's names. */
const BITS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F4: 4, F6_E2M3: 6, F6_E3M2: 6,
    I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, I64: 64, U64: 64, F64: 64, C64: 64,
  }),
); // prettier-ignore

/**
 * The tensors of a file, by name.
 * @throws {FastvError} `malformed-model` naming the file, and the tensor where one is at fault
 */
export async function readSafetensors(file: RandomAccess): Promise<Map<string, StoredTensor>> {
  const { where, size } = file;
  if (size < 8) throw broken(where, `the file has ${size} bytes, which is no safetensors file`);
  const start = await file.read(0, Math.min(size, 1024));
  if (isLfsPointer(start)) throw broken(where, 'this is a pointer of Git LFS, not the weights', LFS_HINT);
  const declared = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (declared > BigInt(MAX_HEADER) || declared > BigInt(size - 8)) {
    throw broken(where, `its header is said to have ${declared} bytes; the file has ${size}`);
  }
  const length = Number(declared);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(parse(await file.read(8, length), where))) {
    if (name !== '__metadata__') tensors.set(name, tensorOf(name, entry, 8 + length, file));
  }
  refuseOverlaps(tensors, where);
  return tensors;
}

function parse(bytes: Uint8Array, where: string): object {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return header;
  } catch {
    // said below
  }
  throw broken(where, 'its header is no JSON object');
}

function tensorOf(name: string, entry: unknown, base: number, { where, size }: RandomAccess): StoredTensor {
  const refuse = (what: string): Error => broken(where, `the tensor "${printable(name)}" ${what}`);
  if (typeof entry !== 'object' || entry === null) throw refuse('has no description');
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  const bits = typeof dtype === 'string' ? BITS.get(dtype) : undefined;
  if (typeof dtype !== 'string' || bits === undefined) throw refuse('has an unknown element type');
  const count = Array.isArray(shape) ? sizeOf(shape) : undefined;
  if (count === undefined) throw refuse('has an impossible shape');
  const isOffset = (value: unknown): value is number =>
    typeof value === 'number' && sizeOf([value]) === value;
  const [begin, end] =
    Array.isArray(offsets) && offsets.length === 2 && offsets.every(isOffset) ? offsets : [];
  if (begin === undefined || end === undefined || end < begin) throw refuse('has impossible offsets');
  if (base + end > size) {
    throw refuse(`ends at byte ${base + end}, and the file has ${size}: it is not complete`);
  }
  if ((end - begin) * 8 !== count * bits) {
    throw refuse(`has ${end - begin} bytes for ${count} elements of ${dtype}`);
  }
  return { format: dtype, dims: shape as number[], offset: base + begin, length: end - begin };
}

function refuseOverlaps(tensors: ReadonlyMap<string, StoredTensor>, where: string): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset);
  let [before, end] = ['', 0];
  for (const [name, { offset, length }] of inOrder) {
    if (length > 0 && offset < end) {
      throw broken(where, `the tensors "${printable(before)}" and "${printable(name)}" overlap`);
    }
    if (length > 0) [before, end] = [name, offset + length];
  }
}
