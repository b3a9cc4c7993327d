/**
 * Ctrl-C and `kill`: a command that can end in good order is told so and ends by itself; any other, and a second
 * signal, ends the program at once. Files under temporary names are removed either way (src/files/leftovers.ts).
 */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type EndSignal = (typeof SIGNALS)[number];

/** As shells have it: 128 and the signal's number. */
const EXIT_CODES: Readonly<Record<EndSignal, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** A command was told to end before it was through. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message = 'interrupted', details: { readonly hint?: string; readonly exitCode?: number } = {}) {
    super(message);
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? EXIT_CODES.SIGINT;
  }
}

/** The signals that one command line gets. */
export class Interrupts {
  readonly #say: (text: string) => void;
  readonly #stop = new AbortController();
  #notice: string | undefined;
  #received: EndSignal | undefined;
  #reject: (error: Interrupted) => void = () => undefined;

  /** Rejects when the program is to end at once. */
  readonly atOnce: Promise<never>;

  /** @param say takes what the user is told */
  constructor(say: (text: string) => void) {
    this.#say = say;
    this.atOnce = new Promise((_, reject) => {
      this.#reject = reject;
    });
    // nobody may be waiting when it comes
    this.atOnce.catch(() => undefined);
  }

  /** The exit code of the signal that came; undefined if none did. */
  get exitCode(): number | undefined {
    return this.#received === undefined ? undefined : EXIT_CODES[this.#received];
  }

  /** Takes signals until {@link close}. */
  listen(): void {
    for (const signal of SIGNALS) process.on(signal, this.#receive);
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#receive);
  }

  /**
   * From now on the command ends by itself when it is told to.
   * @param notice what the user is told then
   * @returns aborted by the first signal
   */
  inGoodOrder(notice: string): AbortSignal {
    this.#notice = notice;
    return this.#stop.signal;
  }

  readonly #receive = (signal: EndSignal): void => {
    const first = this.#received === undefined;
    this.#received ??= signal;
    if (first && this.#notice !== undefined) {
      this.#say(`\n${this.#notice}${signal === 'SIGINT' ? ' (Ctrl-C again: at once)' : ''}`);
      this.#stop.abort();
      return;
    }
    this.#reject(new Interrupted('interrupted', { exitCode: EXIT_CODES[this.#received] }));
  };
}
