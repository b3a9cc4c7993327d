// How many may be inside at once; the others wait in the order in which they came.

/** A semaphore. */
export class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param size how many may be inside */
  constructor(size: number) {
    this.#free = size;
  }

  /** Runs it when there is room. */
  async run<T>(inside: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((enter) => this.#waiting.push(enter));
    try {
      return await inside();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
