// An external data file while it is written: tensors one after the other, each from a multiple of 64 bytes on.
import {
  create,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  type TensorProto,
} from '../onnx/index.js';

/** Where a tensor's bytes are, as the fields of a TensorProto. */
export type Placed = Pick<TensorProto, 'dataLocation' | 'externalData'>;

const ALIGNMENT = 64;

/** Writes one data file, in order. */
export class DataFile {
  readonly #location: string;
  readonly #append: (bytes: Uint8Array) => void;
  #length = 0;

  /**
   * @param location the file's name, relative to the model
   * @param append gets the file's bytes, in order
   */
  constructor(location: string, append: (bytes: Uint8Array) => void) {
    this.#location = location;
    this.#append = append;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Writes one tensor. `fill` gets a function that takes its bytes, piece by piece. */
  tensor<T>(fill: (write: (bytes: Uint8Array) => void) => T): { placed: Placed; result: T } {
    const padding = (ALIGNMENT - (this.#length % ALIGNMENT)) % ALIGNMENT;
    if (padding > 0) this.#write(new Uint8Array(padding));
    const offset = this.#length;
    const result = fill((bytes) => {
      this.#write(bytes);
    });
    const pair = (key: string, value: string) => create(StringStringEntryProtoSchema, { key, value });
    const externalData = [
      pair('location', this.#location),
      pair('offset', String(offset)),
      pair('length', String(this.#length - offset)),
    ];
    return { placed: { dataLocation: TensorProto_DataLocation.EXTERNAL, externalData }, result };
  }

  #write(bytes: Uint8Array): void {
    this.#append(bytes);
    this.#length += bytes.length;
  }
}
