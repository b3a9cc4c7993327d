// The table of contents of a zip file whose members are stored as they are, as torch.save writes them (APPNOTE.TXT 4.3;
// with Zip64 for members beyond 4 GB). A member that is compressed or encrypted is refused when it is asked for.
import { broken, type RandomAccess } from './stored-tensor.js';

/** Where a member's bytes are. */
export interface ZipMember {
  readonly offset: number;
  readonly length: number;
}

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
/** The end record and the longest comment behind it. */
const TAIL = 22 + 0xffff;
/** The longest directory that is read: torch.save has some 100 bytes a tensor. */
const MAX_DIRECTORY = 8 * 2 ** 20;
const HERE64 = 0xffffffff;

/** A zip file's members by name, located when they are asked for. */
export class Zip {
  readonly #file: RandomAccess;
  readonly #members: ReadonlyMap<string, Member>;

  private constructor(file: RandomAccess, members: ReadonlyMap<string, Member>) {
    this.#file = file;
    this.#members = members;
  }

  /** @throws {FastvError} `malformed-model` */
  static async open(file: RandomAccess): Promise<Zip> {
    const { offset, length } = await directory(file);
    if (length > MAX_DIRECTORY || offset + length > file.size) throw notZip(file);
    return new Zip(file, membersOf(await file.read(offset, length), file));
  }

  get names(): Iterable<string> {
    return this.#members.keys();
  }

  /**
   * Where a member's bytes are.
   * @throws {FastvError} `malformed-model` if there is none, it is not stored as it is, or it leaves the file
   */
  async locate(name: string): Promise<ZipMember> {
    const member = this.#members.get(name);
    if (member === undefined) throw broken(this.#file.where, `the archive has no member "${name}"`);
    const { header, length, method, flags, packed } = member;
    if (method !== 0 || (flags & 1) !== 0 || packed !== length) {
      throw broken(
        this.#file.where,
        `the member "${name}" is compressed or encrypted`,
        'Save it with torch.save.',
      );
    }
    if (header + 30 > this.#file.size) throw notZip(this.#file);
    const local = view(await this.#file.read(header, 30));
    if (local.getUint32(0, true) !== LOCAL) throw notZip(this.#file);
    const offset = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (offset + length > this.#file.size) {
      throw broken(this.#file.where, `the member "${name}" ends beyond the file: it is not complete`);
    }
    return { offset, length };
  }
}

interface Member {
  readonly header: number;
  readonly length: number;
  readonly packed: number;
  readonly method: number;
  readonly flags: number;
}

/** Where the central directory is. */
async function directory(file: RandomAccess): Promise<ZipMember> {
  const start = Math.max(0, file.size - TAIL);
  const tail = view(await file.read(start, file.size - start));
  for (let at = tail.byteLength - 22; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END) continue;
    const length = tail.getUint32(at + 12, true);
    const offset = tail.getUint32(at + 16, true);
    const locator = at - 20;
    if (locator < 0 || tail.getUint32(locator, true) !== LOCATOR64) return { offset, length };
    const record = safe(tail.getBigUint64(locator + 8, true), file);
    if (record + 56 > file.size) throw notZip(file);
    const end = view(await file.read(record, 56));
    if (end.getUint32(0, true) !== END64) throw notZip(file);
    return { length: safe(end.getBigUint64(40, true), file), offset: safe(end.getBigUint64(48, true), file) };
  }
  throw notZip(file);
}

function membersOf(bytes: Uint8Array<ArrayBuffer>, file: RandomAccess): Map<string, Member> {
  const table = view(bytes);
  const members = new Map<string, Member>();
  for (let at = 0; at < bytes.length;) {
    if (at + 46 > bytes.length || table.getUint32(at, true) !== CENTRAL) throw notZip(file);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) =>
      table.getUint16(at + field, true),
    );
    const extra = at + 46 + (nameLength ?? 0);
    const end = extra + (extraLength ?? 0) + (commentLength ?? 0);
    if (end > bytes.length) throw notZip(file);
    const large = zip64(table, extra, extra + (extraLength ?? 0));
    // the fields that do not fit are in the extra field, in this order
    const field = (offset: number): number => {
      const short = table.getUint32(at + offset, true);
      return short === HERE64 ? safe(large.shift() ?? -1n, file) : short;
    };
    const length = field(24);
    const packed = field(20);
    const header = field(42);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, extra));
    const [flags, method] = [table.getUint16(at + 8, true), table.getUint16(at + 10, true)];
    members.set(name, { header, length, packed, method, flags });
    at = end;
  }
  return members;
}

/** The numbers of a Zip64 extra field. */
function zip64(table: DataView, from: number, to: number): bigint[] {
  for (let at = from; at + 4 <= to; at += 4 + table.getUint16(at + 2, true)) {
    if (table.getUint16(at, true) !== 1) continue;
    const end = Math.min(to, at + 4 + table.getUint16(at + 2, true));
    const numbers: bigint[] = [];
    for (let entry = at + 4; entry + 8 <= end; entry += 8) numbers.push(table.getBigUint64(entry, true));
    return numbers;
  }
  return [];
}

function safe(value: bigint, file: RandomAccess): number {
  if (value < 0n || value > BigInt(file.size)) throw notZip(file);
  return Number(value);
}

function view(bytes: Uint8Array<ArrayBuffer>): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function notZip({ where }: RandomAccess): Error {
  return broken(where, 'this is no zip file as torch.save writes it, or it is not complete');
}
