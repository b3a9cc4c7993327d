// Python's pickle, as much of it as torch.save uses for tensors: a stack machine whose programs make objects. Its danger
// is that it calls whatever is named; here nothing is ever called. Classes are names that are compared with the six of a
// state dictionary, and every other class, call or opcode is refused by its name.
//
// pickleparser (npm) reads pickles too, but knows no persistent ids, which is how torch refers to storages, and calls
// what a program registers. From Lib/pickletools.py of CPython and torch/serialization.py, torch/_utils.py.
import { printable } from '../../printable.js';
import { broken, sizeOf } from './stored-tensor.js';

/** A tensor of a state dictionary: a part of a storage. */
export interface PickledTensor {
  readonly kind: 'tensor';
  readonly storage: Storage;
  /** In elements. */
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** A storage, kept in a file of its own. */
export interface Storage {
  readonly kind: 'storage';
  /** As safetensors calls it. */
  readonly format: string;
  readonly key: string;
  /** In elements. */
  readonly length: number;
}

type Value =
  | null
  | boolean
  | number
  | string
  | Storage
  | PickledTensor
  | { readonly kind: 'class'; readonly name: string }
  | { readonly kind: 'tuple'; readonly items: readonly Value[] }
  | { readonly kind: 'list' }
  | { readonly kind: 'dict'; readonly entries: [Value, Value][] };

/** Storage classes, and the formats of their elements. */
const STORAGES: ReadonlyMap<string, string> = new Map([
  ['torch FloatStorage', 'F32'],
  ['torch HalfStorage', 'F16'],
  ['torch BFloat16Storage', 'BF16'],
  ['torch DoubleStorage', 'F64'],
  ['torch LongStorage', 'I64'],
  ['torch IntStorage', 'I32'],
  ['torch ByteStorage', 'U8'],
  ['torch CharStorage', 'I8'],
  ['torch BoolStorage', 'BOOL'],
]);
const DICT = 'collections OrderedDict';
const TENSOR = 'torch._utils _rebuild_tensor_v2';
const PARAMETER = 'torch._utils _rebuild_parameter';

/**
 * The tensors of a pickled state dictionary.
 * @throws {FastvError} `malformed-model` for any opcode, class or call that tensors do not need
 */
export function readPickle(bytes: Uint8Array<ArrayBuffer>, where: string): Map<string, PickledTensor> {
  const result = new Machine(bytes, where).run();
  if (!isKind(result, 'dict')) throw broken(where, 'the pickle is no dictionary of tensors');
  const tensors = new Map<string, PickledTensor>();
  for (const [name, value] of result.entries) {
    if (typeof name === 'string' && isKind(value, 'tensor')) tensors.set(name, value);
  }
  return tensors;
}

/** Operations; a tensor takes some thirty, and one of a single byte makes a dictionary. */
const MOST_OPERATIONS = 2 ** 21;

class Machine {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #where: string;
  readonly #stack: Value[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Value>();
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>, where: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#where = where;
  }

  run(): Value {
    for (let operations = 0; ; operations++) {
      if (operations > MOST_OPERATIONS) throw this.#refuse('more operations than tensors need');
      const opcode = this.#number(1);
      if (opcode === 0x2e) return this.#pop(); // STOP
      this.#step(opcode);
    }
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x80: // PROTO
        this.#take(1);
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        return;
      case 0x30: // POP
        this.#pop();
        return;

      // constants
      case 0x4e: // NONE
        this.#stack.push(null);
        return;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        this.#stack.push(opcode === 0x88);
        return;
      case 0x4b: // BININT1
        this.#stack.push(this.#number(1));
        return;
      case 0x4d: // BININT2
        this.#stack.push(this.#number(2));
        return;
      case 0x4a: // BININT
        this.#stack.push(this.#number(4) | 0);
        return;
      case 0x8a: // LONG1
        this.#stack.push(this.#long(this.#number(1)));
        return;
      case 0x8c: // SHORT_BINUNICODE
        this.#stack.push(this.#text(this.#number(1)));
        return;
      case 0x58: // BINUNICODE
        this.#stack.push(this.#text(this.#number(4)));
        return;

      // containers
      case 0x7d: // EMPTY_DICT
        this.#stack.push({ kind: 'dict', entries: [] });
        return;
      case 0x5d: // EMPTY_LIST
        this.#stack.push({ kind: 'list' });
        return;
      case 0x29: // EMPTY_TUPLE
        this.#stack.push({ kind: 'tuple', items: [] });
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#stack.push({ kind: 'tuple', items: this.#popped(opcode - 0x84) });
        return;
      case 0x74: // TUPLE
        this.#stack.push({ kind: 'tuple', items: this.#toMark() });
        return;
      case 0x61: // APPEND: what lists hold is not needed
        this.#pop();
        return;
      case 0x65: // APPENDS
        this.#toMark();
        return;
      case 0x73: // SETITEM
        this.#setItems(this.#popped(2));
        return;
      case 0x75: // SETITEMS
        this.#setItems(this.#toMark());
        return;

      // the memo
      case 0x71: // BINPUT
        this.#memo.set(this.#number(1), this.#top());
        return;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#number(4), this.#top());
        return;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        return;
      case 0x68: // BINGET
        this.#recall(this.#number(1));
        return;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#number(4));
        return;

      // classes and calls
      case 0x63: // GLOBAL
        this.#stack.push(this.#class(this.#line(), this.#line()));
        return;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popped(2);
        if (typeof module !== 'string' || typeof name !== 'string')
          throw this.#refuse('a class without a name');
        this.#stack.push(this.#class(module, name));
        return;
      }
      case 0x51: // BINPERSID
        this.#stack.push(this.#storage(this.#pop()));
        return;
      case 0x52: {
        // REDUCE
        const [called, given] = this.#popped(2);
        this.#stack.push(this.#call(called, given));
        return;
      }
      case 0x62: // BUILD: attributes of a dictionary, such as _metadata
        this.#pop();
        if (!isKind(this.#top(), 'dict')) throw this.#refuse('a state for what is no dictionary');
        return;
      default:
        throw this.#refuse(`the opcode 0x${opcode.toString(16)}, which tensors do not need`);
    }
  }

  /** A class is a name that is known; it is never looked up anywhere. */
  #class(module: string, name: string): Value {
    const full = `${module} ${name}`;
    if (STORAGES.has(full) || [DICT, TENSOR, PARAMETER].includes(full)) return { kind: 'class', name: full };
    throw this.#refuse(
      `the class ${printable(`${module}.${name}`.slice(0, 200))}, which tensors do not need`,
    );
  }

  #call(called: Value | undefined, given: Value | undefined): Value {
    const items = isKind(given, 'tuple') ? given.items : undefined;
    if (!isKind(called, 'class') || items === undefined) throw this.#refuse('a call of what is no class');
    const [first, offset, dims, strides] = items;
    if (called.name === DICT && items.length === 0) return { kind: 'dict', entries: [] };
    if (called.name === PARAMETER && isKind(first, 'tensor')) return first;
    if (called.name === TENSOR && isKind(first, 'storage')) {
      const [shape, steps] = [this.#sizes(dims), this.#sizes(strides)];
      const fits = sizeOf(shape) !== undefined && shape.length === steps.length;
      if (fits && typeof offset === 'number' && sizeOf([offset]) === offset) {
        return { kind: 'tensor', storage: first, offset, dims: shape, strides: steps };
      }
    }
    throw this.#refuse(
      `a call of ${called.name.replace(' ', '.')} with other arguments than torch.save gives`,
    );
  }

  /** ('storage', class, key, device, length) */
  #storage(id: Value): Value {
    const [what, type, key, , length] = isKind(id, 'tuple') ? id.items : [];
    const format = isKind(type, 'class') ? STORAGES.get(type.name) : undefined;
    const known = what === 'storage' && format !== undefined && typeof key === 'string' && /^\w+$/u.test(key);
    if (!known || typeof length !== 'number' || sizeOf([length]) === undefined) {
      throw this.#refuse('a persistent id that is no storage');
    }
    return { kind: 'storage', format, key, length };
  }

  #sizes(value: Value | undefined): number[] {
    const items = isKind(value, 'tuple') ? value.items : undefined;
    if (items === undefined || sizeOf(items) === undefined)
      throw this.#refuse('a tensor of an impossible shape');
    return items as number[];
  }

  #setItems(items: readonly Value[]): void {
    const dict = this.#top();
    if (!isKind(dict, 'dict') || items.length % 2 !== 0)
      throw this.#refuse('entries of what is no dictionary');
    for (let i = 0; i < items.length; i += 2) dict.entries.push([items[i] ?? null, items[i + 1] ?? null]);
  }

  #recall(key: number): void {
    const value = this.#memo.get(key);
    if (value === undefined) throw this.#refuse('a value that was never kept');
    this.#stack.push(value);
  }

  #top(): Value {
    const value = this.#stack.at(-1);
    if (value === undefined) throw this.#refuse('an operation on nothing');
    return value;
  }

  #pop(): Value {
    const value = this.#stack.pop();
    if (value === undefined) throw this.#refuse('an operation on nothing');
    return value;
  }

  #popped(count: number): Value[] {
    if (this.#stack.length < count) throw this.#refuse('an operation on nothing');
    return this.#stack.splice(-count, count);
  }

  #toMark(): Value[] {
    const mark = this.#marks.pop();
    if (mark === undefined || mark > this.#stack.length) throw this.#refuse('an operation on nothing');
    return this.#stack.splice(mark);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw broken(this.#where, 'the pickle ends in the middle');
    this.#at += count;
    return at;
  }

  /** An unsigned number of 1, 2 or 4 bytes. */
  #number(width: 1 | 2 | 4): number {
    const at = this.#take(width);
    if (width === 1) return this.#view.getUint8(at);
    return width === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }

  #long(length: number): number {
    const at = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i] ?? 0);
    return Number(BigInt.asIntN(length * 8, value));
  }

  #text(length: number): string {
    const at = this.#take(length);
    return new TextDecoder().decode(this.#bytes.subarray(at, at + length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw broken(this.#where, 'the pickle ends in the middle');
    const line = this.#text(end - this.#at);
    this.#take(1);
    return line;
  }

  #refuse(what: string): Error {
    return broken(
      this.#where,
      `the pickle has ${what}`,
      'A pickle can run programs, so nothing but tensors is read: save the weights as safetensors.',
    );
  }
}

function isKind<K extends string>(
  value: Value | undefined,
  kind: K,
): value is Extract<Value, { readonly kind: K }> {
  return typeof value === 'object' && value !== null && value.kind === kind;
}
