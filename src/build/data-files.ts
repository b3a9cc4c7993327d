// The weight files of one part: `<graph>_data`, and where it would pass what a browser can hold in one piece,
// `<graph>_data_1`, …, as Transformers.js numbers them.
import { join } from 'node:path';
import { pendingFile, type PendingFile } from '../files/atomic.js';
import { DataFile } from '../quantize/data-file.js';
import type { Data } from './part.js';

/** Bytes of a file at most, unless one tensor alone has more. */
const MOST = 2_000_000_000;

/** A file that was written. */
export interface WrittenFile {
  readonly name: string;
  readonly bytes: number;
}

/** Writes them, one after the other. */
export class DataFiles implements Data {
  readonly #folder: string;
  readonly #graph: string;
  readonly #most: number;
  readonly #pending: PendingFile[] = [];
  #current: DataFile | undefined;

  /**
   * @param folder where they go
   * @param graph the graph's file
   * @param most bytes of a file, for tests
   */
  constructor(folder: string, graph: string, most: number = MOST) {
    this.#folder = folder;
    this.#graph = graph;
    this.#most = most;
  }

  file(bytes: number): DataFile {
    const current = this.#current;
    if (current !== undefined && (current.length === 0 || current.length + bytes <= this.#most))
      return current;
    const name = this.#nameOf(this.#pending.length);
    const pending = pendingFile(join(this.#folder, name));
    this.#pending.push(pending);
    this.#current = new DataFile(name, (part) => {
      pending.write(part);
    });
    return this.#current;
  }

  /** Gives the files their names. */
  keep(): WrittenFile[] {
    return this.#pending.map((pending, i) => {
      pending.keep();
      return { name: this.#nameOf(i), bytes: pending.size };
    });
  }

  discard(): void {
    for (const pending of this.#pending) pending.discard();
  }

  #nameOf(number: number): string {
    return `${this.#graph}_data${number === 0 ? '' : `_${number}`}`;
  }
}
