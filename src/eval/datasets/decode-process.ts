// Parquet and Arrow are decoded in a process of their own, `decode-child.js`, which ends when it takes more time or memory
// than the file's bytes explain.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FileMetaData } from 'hyparquet';
import { LIMITS } from './row.js';

/** What is asked of the child: questions one at a time, and between them the bytes that it wants. */
export type ToChild =
  | { readonly kind: 'metadata'; readonly size: number }
  | ({ readonly kind: 'read'; readonly size: number } & ReadOptions)
  | { readonly kind: 'arrow' }
  | { readonly kind: 'rows' }
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: Uint8Array };

/** What the child says. */
export type FromChild =
  | { readonly kind: 'slice'; readonly id: number; readonly start: number; readonly end: number }
  | { readonly kind: 'metadata'; readonly metadata: FileMetaData }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'rows'; readonly rows: readonly Record<string, unknown>[] }
  | { readonly kind: 'error'; readonly message: string };

type Answer = Exclude<FromChild, { readonly kind: 'slice' | 'error' }>;

/** Rows of Parquet to read. */
export interface ReadOptions {
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly columns?: string[];
  readonly useOffsetIndex: boolean;
  /** Bytes that the pages may unpack to, together. */
  readonly unpacked: number;
}

/**
 * What the child may take, and more for each byte that it is given. Time is the processor's, for the whole file: waiting for
 * the file, or for a busy machine, is free. A message brings rows until they are so many, or have so many bytes.
 */
const MOST = {
  ...{ memory: 256 * 2 ** 20, memoryPerByte: 8, milliseconds: 3_500, millisecondsPerByte: 1 / 1_000 },
  ...{ rows: 1000, bytes: 2 ** 24, rowBytes: LIMITS.jsonLine, items: LIMITS.items },
} as const;
export type Most = typeof MOST;

/** Decodes one file; whoever made it closes it. What it throws is an `Error`, or the file's own FastvError. */
export class DecodeProcess {
  readonly #slice: (start: number, end: number) => Promise<ArrayBuffer | Uint8Array>;
  readonly #child: ChildProcess;
  #settle: (answer: Answer | Error) => void = () => undefined;
  /** Why there is no child any more. */
  #ended: Error | undefined;

  /** @param slice bytes of the file, [start, end) */
  constructor(slice: (start: number, end: number) => Promise<ArrayBuffer | Uint8Array>) {
    this.#slice = slice;
    this.#child = fork(
      fileURLToPath(new URL('./decode-child.js', import.meta.url)),
      ['serve', JSON.stringify(MOST)],
      {
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        execArgv: [],
        // a stranger's bytes need nothing of the user's; Windows starts nothing without this
        env: { SystemRoot: process.env['SystemRoot'] ?? '' },
      },
    );
    this.#child.on('message', (message: FromChild) => {
      if (message.kind === 'slice') void this.#serve(message);
      else this.#settle(message.kind === 'error' ? new Error(message.message) : message);
    });
    const end = (why: Error): void => {
      this.#ended ??= why;
      this.#settle(this.#ended);
    };
    this.#child.on('error', end);
    this.#child.on('exit', (_, signal) => {
      const what = signal === 'SIGTERM' ? 'time' : 'memory';
      end(new Error(`decoding it takes more ${what} than its size explains`));
    });
    // only a question that waits for its answer keeps this process alive
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** What a Parquet file of so many bytes says of itself. */
  async metadata(size: number): Promise<FileMetaData> {
    const answer = await this.#ask({ kind: 'metadata', size });
    return answer.kind === 'metadata' ? answer.metadata : unexpected();
  }

  /** Rows of a Parquet file of so many bytes, a few at a time. */
  async *parquet(size: number, options: ReadOptions): AsyncGenerator<readonly Record<string, unknown>[]> {
    const answer = await this.#ask({ kind: 'read', size, ...options });
    const count = answer.kind === 'count' ? answer.count : unexpected();
    const promised = options.rowEnd - options.rowStart;
    if (count !== promised) throw new Error(`${promised} rows were promised, ${count} are there`);
    yield* this.#rows();
  }

  /** Rows of an Arrow file, a few at a time. Its bytes are asked for in their order. */
  async *arrow(): AsyncGenerator<readonly Record<string, unknown>[]> {
    await this.#ask({ kind: 'arrow' });
    yield* this.#rows();
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  async *#rows(): AsyncGenerator<readonly Record<string, unknown>[]> {
    for (;;) {
      const next = await this.#ask({ kind: 'rows' });
      const rows = next.kind === 'rows' ? next.rows : unexpected();
      if (rows.length === 0) return;
      yield rows;
    }
  }

  async #ask(question: ToChild): Promise<Answer> {
    this.#child.ref();
    this.#child.channel?.ref();
    try {
      return await new Promise<Answer>((done, fail) => {
        this.#settle = (answer) => {
          if (answer instanceof Error) fail(answer);
          else done(answer);
        };
        if (this.#ended === undefined) this.#tell(question);
        else fail(this.#ended);
      });
    } finally {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }

  async #serve({ id, start, end }: FromChild & { readonly kind: 'slice' }): Promise<void> {
    try {
      this.#tell({ kind: 'bytes', id, bytes: new Uint8Array(await this.#slice(start, end)) });
    } catch (error) {
      this.#settle(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #tell(question: ToChild): void {
    // what comes too late for a child that has ended is nobody's loss: its end was told
    this.#child.send(question, () => undefined);
  }
}

function unexpected(): never {
  throw new Error('its decoder answered out of turn');
}
