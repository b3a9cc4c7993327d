/**
 * A vision encoder that remembers: the same pixels give the same features, without running it again. The
 * cells of a sweep ask about the same images, so it runs once an image instead of once a cell.
 *
 * What comes back is a copy of what the encoder gave, bit by bit: Transformers.js may dispose of it. The images
 * of a batch are encoded question by question, so that features do not depend on the company.
 */
import { createHash } from 'node:crypto';
import type { Run, Tensors } from '../runtime/session.js';
import type { OrtTensor } from '../runtime/transformers.js';
import { joinArrays, type TypedArray } from './batch.js';

type TensorClass = new (type: string, data: ArrayBufferView, dims: readonly number[]) => OrtTensor;

interface Kept {
  /** The class that the encoder's own tensors have: Transformers.js knows results by it, and may hold two copies. */
  readonly make: TensorClass;
  readonly type: string;
  readonly data: TypedArray;
  readonly dims: readonly number[];
}

interface Stored {
  readonly outputs: Readonly<Record<string, Kept>>;
  readonly bytes: number;
}

/** Features that were computed, the least recently used thrown away first. */
export class VisionCache {
  readonly #stored = new Map<string, Stored>();
  readonly #limit: number;
  #bytes = 0;
  /** Runs of the encoder, and calls that needed none. */
  runs = 0;
  hits = 0;
  /** @param limit bytes of features that are kept at most */
  constructor(limit = 256 * 2 ** 20) {
    this.#limit = limit;
  }

  /**
   * An encoder's run with this cache before it. Sessions of several loads of one model may share a cache.
   * @param questions whose images come together, each with inputs of one shape
   */
  before(run: Run, questions = 1): Run {
    const one: Run = (feeds, ...rest) => this.#run(feeds, () => run(feeds, ...rest));
    return async (feeds, ...rest) => {
      const parts = partsOf(feeds, questions);
      if (parts === null) return one(feeds, ...rest);
      const outputs: Tensors[] = [];
      for (const part of parts) outputs.push(await one(part, ...rest));
      return joined(outputs);
    };
  }

  async #run(feeds: Tensors, compute: () => Promise<Tensors>): Promise<Tensors> {
    const key = keyOf(feeds);
    const known = key === null ? undefined : this.#stored.get(key);
    if (key !== null && known !== undefined) {
      this.hits++;
      this.#stored.delete(key);
      this.#stored.set(key, known);
      return Object.fromEntries(
        Object.entries(known.outputs).map(([name, { make: Tensor, type, data, dims }]) => [
          name,
          new Tensor(type, data.slice(), dims),
        ]),
      );
    }
    this.runs++;
    const outputs = await compute();
    if (key !== null) this.#keep(key, outputs);
    return outputs;
  }

  #keep(key: string, outputs: Tensors): void {
    if (Object.values(outputs).some((t) => t.location !== 'cpu' || !ArrayBuffer.isView(t.data))) return;
    const copies = Object.entries(outputs).map(([name, tensor]) => {
      const make = tensor.constructor as TensorClass;
      const data = (tensor.data as unknown as TypedArray).slice();
      return [name, { make, type: tensor.type, data, dims: [...tensor.dims] }] as const;
    });
    const bytes = copies.reduce((sum, [, { data }]) => sum + data.byteLength, 0);
    if (bytes > this.#limit) return;
    this.#stored.set(key, { outputs: Object.fromEntries(copies), bytes });
    this.#bytes += bytes;
    for (const [oldest, { bytes: freed }] of this.#stored) {
      if (this.#bytes <= this.#limit) break;
      this.#stored.delete(oldest);
      this.#bytes -= freed;
    }
  }
}

/** A hash of everything that is fed; null where it does not lie in this process's memory. */
function keyOf(feeds: Tensors): string | null {
  const hash = createHash('sha256');
  for (const name of Object.keys(feeds).sort()) {
    const tensor = feeds[name];
    if (tensor?.location !== 'cpu' || !ArrayBuffer.isView(tensor.data)) return null;
    const { buffer, byteOffset, byteLength } = tensor.data;
    hash
      .update(`${name} ${tensor.type} ${tensor.dims.join('x')}\n`)
      .update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

/** The feeds of each of `questions` questions, which lie one after the other on axis 0; null if they cannot be told apart. */
function partsOf(feeds: Tensors, questions: number): Tensors[] | null {
  const tensors = Object.entries(feeds);
  const apart = tensors.every(([, { dims, location, data }]) => {
    return (
      location === 'cpu' && ArrayBuffer.isView(data) && (dims[0] ?? 0) > 0 && (dims[0] ?? 0) % questions === 0
    );
  });
  if (questions === 1 || !apart) return null;
  return Array.from({ length: questions }, (_, i) =>
    Object.fromEntries(
      tensors.map(([name, tensor]) => {
        const data = tensor.data as unknown as TypedArray;
        const size = data.length / questions;
        const [rows = 0, ...rest] = tensor.dims;
        const make = tensor.constructor as TensorClass;
        return [
          name,
          new make(tensor.type, data.slice(i * size, (i + 1) * size), [rows / questions, ...rest]),
        ];
      }),
    ),
  );
}

/** Outputs of questions with equal shapes, one after the other on axis 0. */
function joined(outputs: readonly Tensors[]): Tensors {
  const [first = {}] = outputs;
  return Object.fromEntries(
    Object.entries(first).map(([name, tensor]) => {
      const tensors = outputs.flatMap((output) => output[name] ?? []);
      const [rows = 0, ...rest] = tensor.dims;
      const data = joinArrays(tensors.map((t) => t.data as unknown as TypedArray));
      return [
        name,
        new (tensor.constructor as TensorClass)(tensor.type, data, [rows * tensors.length, ...rest]),
      ];
    }),
  );
}
