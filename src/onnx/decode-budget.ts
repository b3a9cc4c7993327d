// What a ModelProto would take as objects, estimated from its bytes before any is made: a file of 50 MB may hold 50 million
// numbers, each an object of its own. Weights in `raw_data` stay bytes, and cost nothing here.
import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';

/** Bytes that the objects of a model may take, about; those of real decoders take some ten millions. */
const MOST = 2 ** 28;
/** What an object takes, each of its lists, a text or a view of bytes, and a number of a list: of 64 bits, or of fewer. */
const COST = { message: 150, list: 70, text: 64, wide: 44, narrow: 8 } as const;
const WIDE: ReadonlySet<ScalarType> = new Set([ScalarType.INT64, ScalarType.UINT64]);
const NARROW: ReadonlySet<ScalarType> = new Set([ScalarType.INT32]);

/** Messages inside messages; the parser's own limit is the same. */
const MOST_DEPTH = 64;

/** A kind of message: what it takes, and what its fields hold, by their numbers. */
interface Kind {
  readonly cost: number;
  readonly fields: ReadonlyMap<number, Held>;
}

/** A message, or what one number takes of those that may be many behind one tag; 0 for texts, bytes and floats. */
type Held = Kind | number;

const kinds = new Map<DescMessage, Kind>();

function kindOf(message: DescMessage): Kind {
  const known = kinds.get(message);
  if (known !== undefined) return known;
  const fields = new Map<number, Held>();
  const lists = message.fields.filter(({ fieldKind }) => fieldKind === 'list').length;
  const kind = { cost: COST.message + COST.list * lists, fields };
  kinds.set(message, kind); // before its fields: they may hold it
  for (const field of message.fields) fields.set(field.number, heldBy(field));
  return kind;
}

function heldBy({ message, scalar }: DescField): Held {
  if (message !== undefined) return kindOf(message);
  if (scalar === undefined) return 0;
  return WIDE.has(scalar) ? COST.wide : NARROW.has(scalar) ? COST.narrow : 0;
}

/**
 * Whether a model's objects take more than they may. What is no ModelProto is left to the parser.
 * @param bytes the whole file
 * @example
 * costsTooMuch(await readFile('model.onnx')); // false
 */
export function costsTooMuch(bytes: Uint8Array): boolean {
  let left = MOST;
  /** Messages that are open: where each ends, and what it is. */
  const open: { readonly end: number; readonly kind: Kind }[] = [
    { end: bytes.length, kind: kindOf(ModelProtoSchema) },
  ];
  let at = 0;
  /** The next number; −1 where there is none. */
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = bytes[at++];
      if (byte === undefined) return -1;
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) return value;
    }
    return -1;
  };
  for (let top = open.at(-1); top !== undefined && left >= 0; top = open.at(-1)) {
    if (at >= top.end) {
      open.pop();
      continue;
    }
    const tag = varint();
    const held = top.kind.fields.get(Math.floor(tag / 8)) ?? 0;
    if (tag % 8 === 0) {
      if (varint() < 0) return false;
      left -= typeof held === 'number' ? held : 0;
    } else if (tag % 8 === 1) at += 8;
    else if (tag % 8 === 5) at += 4;
    else if (tag % 8 === 2) {
      const length = varint();
      const end = at + length;
      if (length < 0 || end > top.end || open.length > MOST_DEPTH) return false;
      if (typeof held === 'object') {
        left -= held.cost;
        open.push({ end, kind: held });
        continue;
      }
      left -= COST.text;
      // each number ends with a byte of its own
      if (held > 0) for (; at < end && left >= 0; at++) if ((bytes[at] ?? 0) < 0x80) left -= held;
      at = end;
    } else return false;
  }
  return left < 0;
}
