// Messages as protobuf has them: which fields one has, and how one is made. A field that is not set reads as its default,
// which lies in the message's prototype; what is set is the message's own, and only that is written.
//
// ONNX's messages are in schema.ts, their bytes in protobuf.ts. Names and shapes are those that protobuf-es generates.

/** What every message has besides its fields. */
export interface Message {
  /** Fields that the schema does not know, as they were in the file: tag and content, in order. */
  $unknown?: Uint8Array<ArrayBuffer>[];
}

/** What one value of a field is. */
export type Kind =
  'string' | 'bytes' | 'int32' | 'int64' | 'uint64' | 'float' | 'double' | 'enum' | 'message';

/** One field: its number in the file, and what it holds. */
export interface Field {
  readonly number: number;
  readonly kind: Kind;
  readonly repeated: boolean;
  /** Whether a list of numbers is written as one run of bytes; both are read. */
  readonly packed: boolean;
  /** The numbers that an enum has. */
  readonly values?: ReadonlySet<number> | undefined;
  /** What a message is; asked for late, because messages hold each other. */
  readonly schema?: (() => Schema) | undefined;
}

/** A field of a message's property; `Value` is for the compiler alone. */
export interface FieldOf<Value> extends Field {
  readonly holds?: Value;
}

/** One of several fields, or none: {@link https://protobuf.dev/programming-guides/proto2/#oneof}. */
export interface Oneof {
  case?: string | undefined;
  value?: unknown;
}

type Members<M extends Message> = {
  readonly [Key in Exclude<keyof M, '$unknown'>]-?: NonNullable<M[Key]> extends Oneof
    ? Cases<NonNullable<M[Key]>>
    : FieldOf<NonNullable<M[Key]>>;
};
type Cases<Of extends Oneof> = {
  readonly [Case in NonNullable<Of['case']>]: FieldOf<Extract<Of, { case: Case }>['value']>;
};

/** How a value lies in the file: https://protobuf.dev/programming-guides/encoding/#structure. */
export const WIRE = { VARINT: 0, EIGHT: 1, LENGTH: 2, GROUP: 3, END_GROUP: 4, FOUR: 5 } as const;

/** A field and where a message keeps it. */
export interface Slot extends Field {
  readonly wire: number;
  /** What it reads as where it is not set. */
  readonly default: unknown;
  /** The message's property. */
  readonly key: string;
  /** Which case of the property it is, where that is a {@link Oneof}. */
  readonly case: string | undefined;
}

/** What a message consists of. */
export interface Schema<M extends Message = Message> {
  /** The prototype of its messages. */
  readonly defaults: object;
  /** Its fields in the order of their numbers. */
  readonly slots: readonly Slot[];
  readonly byNumber: readonly (Slot | undefined)[];
  /** The properties that every message has: lists and oneofs. */
  readonly lists: readonly string[];
  readonly oneofs: readonly string[];
  readonly of?: M;
}

/** What a message can be made of: some of its fields, messages within it likewise. */
export type Init<M> = { [Key in keyof M]?: InitOf<M[Key]> | undefined };
type InitOf<Value> = Value extends Uint8Array
  ? Value
  : Value extends readonly (infer Item)[]
    ? InitOf<Item>[]
    : Value extends { case: string; value: infer Held }
      ? { case: Value['case']; value: InitOf<Held> }
      : Value extends object
        ? Value | Init<Value>
        : Value;

/** A message whose fields are not yet told apart. */
export type Fields = Record<string, unknown>;

const KINDS: Record<Kind, { readonly wire: number; readonly default: unknown }> = {
  string: { wire: WIRE.LENGTH, default: '' },
  bytes: { wire: WIRE.LENGTH, default: new Uint8Array() },
  message: { wire: WIRE.LENGTH, default: undefined },
  int32: { wire: WIRE.VARINT, default: 0 },
  int64: { wire: WIRE.VARINT, default: 0n },
  uint64: { wire: WIRE.VARINT, default: 0n },
  enum: { wire: WIRE.VARINT, default: 0 },
  float: { wire: WIRE.FOUR, default: 0 },
  double: { wire: WIRE.EIGHT, default: 0 },
};

const one = (number: number, kind: Kind): Field => ({ number, kind, repeated: false, packed: false });
const many = (number: number, kind: Kind, packed = false): Field => ({
  number,
  kind,
  repeated: true,
  packed,
});

type Bytes = Uint8Array<ArrayBuffer>;
export const string = (number: number): FieldOf<string> => one(number, 'string');
export const bytes = (number: number): FieldOf<Bytes> => one(number, 'bytes');
export const int32 = (number: number): FieldOf<number> => one(number, 'int32');
export const int64 = (number: number): FieldOf<bigint> => one(number, 'int64');
export const float = (number: number): FieldOf<number> => one(number, 'float');
export const strings = (number: number): FieldOf<string[]> => many(number, 'string');
export const byteStrings = (number: number): FieldOf<Bytes[]> => many(number, 'bytes');
/** Numbers, each with its own tag. */
export const int64s = (number: number): FieldOf<bigint[]> => many(number, 'int64');
export const floats = (number: number): FieldOf<number[]> => many(number, 'float');
/** Numbers behind each other. */
export const packed = {
  int32: (number: number): FieldOf<number[]> => many(number, 'int32', true),
  int64: (number: number): FieldOf<bigint[]> => many(number, 'int64', true),
  uint64: (number: number): FieldOf<bigint[]> => many(number, 'uint64', true),
  float: (number: number): FieldOf<number[]> => many(number, 'float', true),
  double: (number: number): FieldOf<number[]> => many(number, 'double', true),
};
/** One of the numbers of an enum; another one is kept among the unknown fields, as proto2 asks. */
export const enumeration = <Value extends number>(
  number: number,
  values: Readonly<Record<string, Value>>,
): FieldOf<Value> => ({ ...one(number, 'enum'), values: new Set(Object.values(values)) });
export const message = <M extends Message>(number: number, schema: () => Schema<M>): FieldOf<M> => ({
  ...one(number, 'message'),
  schema,
});
export const messages = <M extends Message>(number: number, schema: () => Schema<M>): FieldOf<M[]> => ({
  ...many(number, 'message'),
  schema,
});

/** Describes a message: a line for each property, a table for each oneof. */
export function defineMessage<M extends Message>(members: Members<M>): Schema<M> {
  const defaults: Fields = {};
  const slots: Slot[] = [];
  const oneofs: string[] = [];
  for (const [key, member] of Object.entries<Field | Readonly<Record<string, Field>>>(members)) {
    if (isField(member)) {
      slots.push(slotOf(member, key));
      if (!member.repeated && member.kind !== 'message') defaults[key] = KINDS[member.kind].default;
      continue;
    }
    oneofs.push(key);
    for (const [name, field] of Object.entries(member)) slots.push(slotOf(field, key, name));
  }
  slots.sort((a, b) => a.number - b.number);
  const byNumber: (Slot | undefined)[] = [];
  for (let number = 0; number <= (slots.at(-1)?.number ?? 0); number++) {
    byNumber.push(slots.find((slot) => slot.number === number));
  }
  const lists = slots.filter(({ repeated }) => repeated).map(({ key }) => key);
  return { defaults, slots, byNumber, lists, oneofs };
}

/** All of one shape, which is what makes reading and writing fast. */
function slotOf({ number, kind, repeated, packed, values, schema }: Field, key: string, name?: string): Slot {
  const { wire, default: unset } = KINDS[kind];
  return { number, kind, repeated, packed, values, schema, wire, default: unset, key, case: name };
}

function isField(member: Field | Readonly<Record<string, Field>>): member is Field {
  return typeof member.number === 'number';
}

/** A message with no field set. */
export function empty(schema: Schema): Fields {
  const made = Object.create(schema.defaults) as Fields;
  for (const key of schema.lists) made[key] = [];
  for (const key of schema.oneofs) made[key] = { case: undefined };
  return made;
}

/**
 * Makes a message. A message of this schema is given back as it is; of anything else its fields are taken, and messages
 * within it are made likewise.
 * @example
 * const node = create(NodeProtoSchema, { opType: 'Neg', input: ['x'], output: ['y'] });
 */
export function create<M extends Message>(schema: Schema<M>, init?: Init<M>): M {
  return made(schema, init ?? {}) as M;
}

function made(schema: Schema, init: object): Fields {
  const given = init as Fields;
  if (Object.getPrototypeOf(init) === schema.defaults) return given;
  const message = empty(schema);
  for (const slot of schema.slots) {
    const value = Object.hasOwn(given, slot.key) ? given[slot.key] : undefined;
    if (value === undefined) continue;
    const held = slot.schema?.();
    const item = (each: unknown): unknown =>
      held === undefined || typeof each !== 'object' || each === null ? each : made(held, each);
    if (slot.case === undefined) {
      message[slot.key] = slot.repeated && held !== undefined ? (value as unknown[]).map(item) : item(value);
      continue;
    }
    const oneof = value as Oneof;
    if (oneof.case === slot.case) message[slot.key] = { case: slot.case, value: item(oneof.value) };
  }
  if (given['$unknown'] !== undefined) message['$unknown'] = given['$unknown'];
  return message;
}

/**
 * A shallow copy of a message with some fields changed.
 * @example
 * const named = withFields(NodeProtoSchema, node, { name: 'layer 2' });
 */
export function withFields<M extends Message>(schema: Schema<M>, message: M, fields: Partial<M>): M {
  return Object.assign(empty(schema), message, fields);
}
