// Protobuf's bytes into messages and back, for the messages of schema.ts:
// https://protobuf.dev/programming-guides/encoding/
//
// What is read may be anyone's. Every length is checked against the message that it is in, nesting and the number of
// messages are bounded, a number has at most ten bytes, and what does not fit throws. Byte strings are views of what was
// read. A field that the schema does not know, or that has another wire type than its own, is kept as it is and written
// behind the others, as Google's readers do. A field that comes twice counts the last time; messages are merged.
//
// A message is written from its end to its front: the length of what is nested stands before it, and is known by then.
import { FastvError } from '../errors.js';
import {
  empty,
  WIRE,
  type Fields,
  type Kind,
  type Message,
  type Oneof,
  type Schema,
  type Slot,
} from './message.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** A protobuf message cannot be larger than this: lengths are signed 32-bit in every reader in use. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** How deep messages may lie in each other. A layer of If or Loop takes three. */
const MAX_DEPTH = 64;

/**
 * How many messages a file may have, each counted with what it takes when it is empty: itself, and its lists. Thirty
 * thousand nodes, each with its attributes and the shape of what it gives, come to three quarters of it.
 */
const MAX_MESSAGES = 2 ** 21;

/** How many numbers of 64 bits: each is an object, and a byte can be one. */
const MAX_NUMBERS = 2 ** 22;

const { VARINT, EIGHT, LENGTH, GROUP, END_GROUP, FOUR } = WIRE;

const NUMBERS: ReadonlySet<Kind> = new Set<Kind>(['int32', 'enum', 'float', 'double']);

const malformed = (what: string): FastvError => new FastvError('malformed-model', what);
const cutShort = (): FastvError => malformed('it ends in the middle of a field');
const tooDeep = (): FastvError => malformed(`its messages lie in each other more than ${MAX_DEPTH} deep`);

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();
/** Eight bytes between a bigint and two 32-bit halves. */
const halves = new DataView(new ArrayBuffer(8));

/**
 * Reads a message.
 * @param bytes must not change afterwards: byte strings are views of it
 * @throws {FastvError} `malformed-model`
 * @example
 * const tensor = fromBinary(TensorProtoSchema, await readFile('input_0.pb'));
 */
export function fromBinary<M extends Message>(schema: Schema<M>, bytes: Uint8Array): M {
  const message = empty(schema);
  readMessage(new Reader(bytes), schema, message, 1);
  return message as M;
}

/**
 * Writes a message, or as many of its fields as are given: in the order of their numbers, then what the schema does not
 * know.
 * @throws {FastvError} `malformed-model` if a number does not fit its field, or the message would be larger than 2 GB
 * @example
 * await writeFile('input_0.pb', toBinary(TensorProtoSchema, floatTensor([1, 2, 3])));
 */
export function toBinary<M extends Message>(schema: Schema<M>, message: Partial<M>): Bytes {
  const writer = new Writer();
  writeMessage(writer, schema, message);
  return writer.finish();
}

/** Tag and length of a field whose content, so many bytes, is written elsewhere. */
export function fieldHead<M extends Message>(
  schema: Schema<M>,
  key: keyof M & string,
  length: number,
): Bytes {
  const writer = new Writer();
  writer.varint(length, 0);
  for (const slot of schema.slots) if (slot.key === key) writer.tag(slot.number, LENGTH);
  return writer.finish();
}

class Reader {
  readonly bytes: Bytes;
  readonly view: DataView;
  pos = 0;
  /** Where the message ends that is being read. */
  end: number;
  /** The halves of the last varint. */
  low = 0;
  high = 0;
  messages = 0;
  numbers = 0;

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    // A plain view: Node's Buffer overrides slice(), and its pool must not leak into tensors.
    this.bytes = new Uint8Array(buffer, byteOffset, length) as Bytes;
    this.view = new DataView(buffer, byteOffset, length);
    this.end = length;
  }

  varint(): void {
    const first = this.pos < this.end ? (this.bytes[this.pos] ?? 0) : 0x80;
    this.low = first;
    this.high = 0;
    if (first < 0x80) {
      this.pos++;
      return;
    }
    this.low = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) throw cutShort();
      const byte = this.bytes[this.pos++] ?? 0;
      const digit = byte & 0x7f;
      if (shift < 32) this.low |= digit << shift;
      if (shift >= 32) this.high |= digit << (shift - 32);
      else if (shift === 28) this.high = digit >>> 4;
      if (byte < 0x80) return;
    }
    throw malformed('a number takes more than ten bytes');
  }

  /** Field number and wire type. */
  tag(): number {
    const start = this.pos;
    this.varint();
    const tag = this.low >>> 0;
    if (this.high !== 0 || this.pos - start > 5 || tag < 8 || (tag & 7) > FOUR) {
      throw malformed(`there is no field ${tag >>> 3} of wire type ${tag & 7}`);
    }
    return tag;
  }

  length(): number {
    this.varint();
    if (this.high !== 0 || this.low < 0 || this.low > this.end - this.pos) throw cutShort();
    return this.low;
  }

  /** Goes on by so many bytes; gives where it was. */
  move(count: number): number {
    const start = this.pos;
    if (count > this.end - start) throw cutShort();
    this.pos = start + count;
    return start;
  }

  /** Into content that has a length; gives the end of what is around it, for the way out. */
  enter(): number {
    const around = this.end;
    this.end = this.length() + this.pos;
    return around;
  }

  string(): string {
    const { length, bytes } = { length: this.length(), bytes: this.bytes };
    const start = this.move(length);
    // Names are short and plain: a decoder's call costs more than their letters.
    if (length <= 32) {
      const letters = new Array<number>(length);
      let i = 0;
      for (; i < length; i++) {
        const letter = bytes[start + i] ?? 0;
        if (letter > 0x7f) break;
        letters[i] = letter;
      }
      if (i === length) return String.fromCharCode(...letters);
    }
    return decoder.decode(bytes.subarray(start, start + length));
  }

  value(kind: Exclude<Kind, 'message'>): unknown {
    switch (kind) {
      case 'string':
        return this.string();
      case 'bytes': {
        const length = this.length();
        const start = this.move(length);
        return this.bytes.subarray(start, start + length);
      }
      case 'float':
        return this.view.getFloat32(this.move(4), true);
      case 'double':
        return this.view.getFloat64(this.move(8), true);
      case 'int32':
      case 'enum':
        this.varint();
        return this.low;
      case 'int64':
      case 'uint64':
        if (++this.numbers > MAX_NUMBERS) throw malformed(`it has more than ${MAX_NUMBERS} numbers`);
        this.varint();
        if (this.high === 0 && this.low >= 0) return BigInt(this.low);
        halves.setInt32(0, this.low, true);
        halves.setInt32(4, this.high, true);
        return kind === 'int64' ? halves.getBigInt64(0, true) : halves.getBigUint64(0, true);
    }
  }

  /** Over a field whose tag was read, groups within groups too. */
  skip(tag: number, depth: number): void {
    const open: number[] = [];
    for (let inner = tag; ; inner = this.tag()) {
      switch (inner & 7) {
        case VARINT:
          this.varint();
          break;
        case EIGHT:
          this.move(8);
          break;
        case LENGTH:
          this.move(this.length());
          break;
        case GROUP:
          if (depth + open.length >= MAX_DEPTH) throw tooDeep();
          open.push(inner >>> 3);
          break;
        case END_GROUP:
          if (open.pop() !== inner >>> 3) throw malformed(`a group ends that did not begin`);
          break;
        default:
          this.move(4);
      }
      if (open.length === 0) return;
    }
  }
}

function readMessage(reader: Reader, schema: Schema, message: Fields, depth: number): void {
  if (depth > MAX_DEPTH) throw tooDeep();
  reader.messages += 2 + schema.lists.length;
  if (reader.messages > MAX_MESSAGES) throw malformed('it has more messages than any model');
  // Where a run of unknown fields begins: one view for all of them, or small fields would make a large heap.
  let unknown = -1;
  while (reader.pos < reader.end) {
    const start = reader.pos;
    const tag = reader.tag();
    const content = reader.pos;
    const slot = schema.byNumber[tag >>> 3];
    if (slot !== undefined && readField(reader, slot, tag & 7, message, depth)) {
      if (unknown >= 0) keepUnknown(message, reader.bytes.subarray(unknown, start));
      unknown = -1;
      continue;
    }
    reader.pos = content;
    reader.skip(tag, depth);
    if (unknown < 0) unknown = start;
  }
  if (unknown >= 0) keepUnknown(message, reader.bytes.subarray(unknown, reader.pos));
}

function keepUnknown(message: Message, bytes: Bytes): void {
  (message.$unknown ??= []).push(bytes);
}

/** @returns whether the field is one of the schema's; if not, where the reader stands means nothing */
function readField(reader: Reader, slot: Slot, wire: number, message: Fields, depth: number): boolean {
  const { kind, key } = slot;
  if (wire !== slot.wire) {
    if (!slot.repeated || wire !== LENGTH || kind === 'message') return false;
    const list = message[key] as unknown[];
    const around = reader.enter();
    while (reader.pos < reader.end) list.push(reader.value(kind));
    reader.end = around;
    return true;
  }
  let value: unknown;
  if (kind === 'message') {
    const schema = slot.schema?.();
    if (schema === undefined) return false;
    const before = slot.repeated ? undefined : held(slot, message);
    const child = (before ?? empty(schema)) as Fields;
    const around = reader.enter();
    readMessage(reader, schema, child, depth + 1);
    reader.end = around;
    value = child;
  } else {
    value = reader.value(kind);
    if (slot.values?.has(value as number) === false) return false;
  }
  if (slot.repeated) (message[key] as unknown[]).push(value);
  else message[key] = slot.case === undefined ? value : { case: slot.case, value };
  return true;
}

/** What a message has in a field of its own; undefined where it is not set. */
function held(slot: Slot, message: Fields): unknown {
  const value = message[slot.key];
  if (slot.case !== undefined) {
    const oneof = value as Oneof | undefined;
    return oneof?.case === slot.case ? oneof.value : undefined;
  }
  // what is not the default was set
  return value !== slot.default || Object.hasOwn(message, slot.key) ? value : undefined;
}

class Writer {
  /** Filled from its end. */
  private bytes: Bytes = new Uint8Array(256);
  private pos = this.bytes.length;

  get length(): number {
    return this.bytes.length - this.pos;
  }

  finish(): Bytes {
    return this.bytes.slice(this.pos);
  }

  /** Room for so many bytes in front; gives where they begin. */
  private take(count: number): number {
    if (count > this.pos) {
      const used = this.bytes.subarray(this.pos);
      const needed = used.length + count;
      if (needed > MAX_MODEL_BYTES) throw malformed(`it would take ${needed} bytes; protobuf allows 2 GB`);
      const larger = new Uint8Array(Math.max(needed, Math.min(2 * this.bytes.length, MAX_MODEL_BYTES)));
      larger.set(used, larger.length - used.length);
      this.pos = larger.length - used.length;
      this.bytes = larger;
    }
    this.pos -= count;
    return this.pos;
  }

  raw(bytes: Uint8Array): void {
    const at = this.take(bytes.length);
    this.bytes.set(bytes, at);
  }

  varint(low: number, high: number): void {
    if (high === 0 && low >= 0 && low < 0x80) {
      const at = this.take(1);
      this.bytes[at] = low;
      return;
    }
    let size = 1;
    for (let l = low >>> 0, h = high >>> 0; l > 0x7f || h !== 0; size++) {
      l = ((l >>> 7) | (h << 25)) >>> 0;
      h >>>= 7;
    }
    let at = this.take(size);
    const { bytes } = this;
    for (; size > 1; size--) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low = (low >>> 7) | (high << 25);
      high >>>= 7;
    }
    bytes[at] = low;
  }

  tag(number: number, wire: number): void {
    this.varint((number << 3) | wire, 0);
  }

  /** A string's bytes, without their length. */
  string(text: string): void {
    const { length } = text;
    // Names are plain: as many bytes as letters.
    const at = this.take(length);
    const { bytes } = this;
    let plain = 0;
    if (length > 32) {
      if (encoder.encodeInto(text, bytes.subarray(at, at + length)).read === length) return;
    } else {
      for (; plain < length; plain++) {
        const letter = text.charCodeAt(plain);
        if (letter > 0x7f) break;
        bytes[at + plain] = letter;
      }
      if (plain === length) return;
    }
    this.pos += length;
    this.raw(encoder.encode(text));
  }

  number(kind: Kind, value: number): void {
    if (kind === 'int32' || kind === 'enum') {
      if ((value | 0) !== value) throw unfit(kind, value);
      this.varint(value, value < 0 ? -1 : 0);
    } else if (kind === 'float') {
      if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) throw unfit(kind, value);
      halves.setFloat32(0, value, true);
      this.scratch(4);
    } else {
      halves.setFloat64(0, value, true);
      this.scratch(8);
    }
  }

  bigint(kind: Kind, value: bigint): void {
    if (value >= 0n && value < 0x80000000n) {
      this.varint(Number(value), 0);
      return;
    }
    if (value !== (kind === 'int64' ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value))) {
      throw unfit(kind, value);
    }
    halves.setBigInt64(0, value, true);
    this.varint(halves.getInt32(0, true), halves.getInt32(4, true));
  }

  private scratch(count: number): void {
    const at = this.take(count);
    for (let i = 0; i < count; i++) this.bytes[at + i] = halves.getUint8(i);
  }
}

const unfit = (kind: Kind, value: unknown): FastvError => malformed(`${String(value)} is no ${kind}`);

function writeMessage(writer: Writer, schema: Schema, message: Fields): void {
  for (const bytes of ((message as Message).$unknown ?? []).toReversed()) writer.raw(bytes);
  const { slots } = schema;
  for (let s = slots.length - 1; s >= 0; s--) {
    const slot = slots[s];
    if (slot === undefined) continue;
    const value = slot.repeated ? message[slot.key] : held(slot, message);
    if (value === undefined) continue;
    if (!slot.repeated) {
      writeValue(writer, slot, value);
      writer.tag(slot.number, slot.wire);
      continue;
    }
    const list = value as readonly unknown[];
    const behind = writer.length;
    for (let i = list.length - 1; i >= 0; i--) {
      writeValue(writer, slot, list[i]);
      if (!slot.packed) writer.tag(slot.number, slot.wire);
    }
    if (slot.packed && list.length > 0) {
      writer.varint(writer.length - behind, 0);
      writer.tag(slot.number, LENGTH);
    }
  }
}

/** A value, with its length where it has one, without its tag. */
function writeValue(writer: Writer, { kind, schema }: Slot, value: unknown): void {
  const behind = writer.length;
  if (schema !== undefined && typeof value === 'object') {
    writeMessage(writer, schema(), value as Fields);
  } else if (kind === 'string' && typeof value === 'string') {
    writer.string(value);
  } else if (typeof value === 'bigint' && (kind === 'int64' || kind === 'uint64')) {
    writer.bigint(kind, value);
    return;
  } else if (typeof value === 'number' && NUMBERS.has(kind)) {
    writer.number(kind, value);
    return;
  } else if (kind === 'bytes' && value instanceof Uint8Array) {
    writer.raw(value);
  } else {
    throw unfit(kind, value);
  }
  writer.varint(writer.length - behind, 0);
}
