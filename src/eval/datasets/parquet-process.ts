// Parquet's decoders in a process of their own, `parquet-child.js`, which is ended when it takes too long or too much.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FileMetaData } from 'hyparquet';
import type { DataFile } from './data-file.js';

/** What is asked of the child: questions one at a time, and between them the bytes that it wants. */
export type ToChild =
  | { readonly kind: 'metadata'; readonly size: number; readonly memory: number }
  | ({ readonly kind: 'read'; readonly size: number; readonly memory: number } & ReadOptions)
  | { readonly kind: 'rows'; readonly count: number }
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: Uint8Array };

/** What the child says. */
export type FromChild =
  | { readonly kind: 'slice'; readonly id: number; readonly start: number; readonly end: number }
  | { readonly kind: 'metadata'; readonly metadata: FileMetaData }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'rows'; readonly rows: readonly Record<string, unknown>[] }
  | { readonly kind: 'error'; readonly message: string };

type Answer = Exclude<FromChild, { readonly kind: 'slice' | 'error' }>;

/** Rows to read. */
export interface ReadOptions {
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly columns?: string[];
  readonly useOffsetIndex: boolean;
  /** Bytes that the pages may unpack to, together. */
  readonly unpacked: number;
}

/** What the child may take: so much for any file, and more for the bytes that there are to decode. */
const TAKES = { memory: 300 * 2 ** 20, memoryPerByte: 8, milliseconds: 3_500, bytesPerMs: 4_000 } as const;

/** What one message brings, about. */
const MESSAGE = { rows: 1000, bytes: 2 ** 24 } as const;

/** Milliseconds between two looks at the clock. */
const TICK = 50;

/** Decodes one file; whoever made it closes it. What it throws is an `Error`, or the file's own FastvError. */
export class ParquetProcess {
  readonly #file: DataFile;
  readonly #child: ChildProcess;
  /** Slices of the file that the child waits for. */
  #waiting = 0;
  #settle: (answer: Answer | Error) => void = () => undefined;

  constructor(file: DataFile) {
    this.#file = file;
    this.#child = fork(fileURLToPath(new URL('./parquet-child.js', import.meta.url)), ['serve'], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
      // a stranger's bytes need nothing of the user's; Windows starts nothing without this
      env: { SystemRoot: process.env['SystemRoot'] ?? '' },
    });
    this.#child.on('message', (message: FromChild) => {
      if (message.kind === 'slice') void this.#serve(message);
      else this.#settle(message.kind === 'error' ? new Error(message.message) : message);
    });
    this.#child.on('error', (error) => {
      this.#settle(error);
    });
    this.#child.on('exit', () => {
      this.#settle(new Error('decoding it takes more memory than its size explains'));
    });
    // only a question that waits for its answer keeps this process alive
    this.#child.unref();
    this.#child.channel?.unref();
  }

  async metadata(): Promise<FileMetaData> {
    const { size } = this.#file;
    const answer = await this.#ask({ kind: 'metadata', size, memory: TAKES.memory }, 0);
    return answer.kind === 'metadata' ? answer.metadata : unexpected();
  }

  /**
   * Rows, a few at a time.
   * @param bytes that there are to decode
   */
  async *read(options: ReadOptions, bytes: number): AsyncGenerator<readonly Record<string, unknown>[]> {
    const memory = TAKES.memory + TAKES.memoryPerByte * bytes;
    const question = { kind: 'read', size: this.#file.size, memory, ...options } as const;
    const answer = await this.#ask(question, bytes);
    const count = answer.kind === 'count' ? answer.count : unexpected();
    const promised = options.rowEnd - options.rowStart;
    if (count !== promised) throw new Error(`${promised} rows were promised, ${count} are there`);
    const fit = Math.floor((MESSAGE.bytes * count) / options.unpacked);
    const few = Math.max(1, Math.min(MESSAGE.rows, fit));
    for (let left = count; left > 0;) {
      const next = await this.#ask({ kind: 'rows', count: few }, bytes);
      const rows = next.kind === 'rows' && next.rows.length > 0 ? next.rows : unexpected();
      left -= rows.length;
      yield rows;
    }
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  async #ask(question: ToChild, bytes: number): Promise<Answer> {
    let left = TAKES.milliseconds + bytes / TAKES.bytesPerMs;
    let clock: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Answer>((done, fail) => {
        this.#settle = (answer) => {
          if (answer instanceof Error) fail(answer);
          else done(answer);
        };
        clock = setInterval(() => {
          // waiting for the file is not the child's time
          if (this.#waiting === 0) left -= TICK;
          if (left < 0) fail(new Error('decoding it takes more time than its size explains'));
        }, TICK);
        this.#tell(question);
      });
    } finally {
      clearInterval(clock);
    }
  }

  async #serve({ id, start, end }: FromChild & { readonly kind: 'slice' }): Promise<void> {
    this.#waiting++;
    try {
      this.#tell({ kind: 'bytes', id, bytes: new Uint8Array(await this.#file.slice(start, end)) });
    } catch (error) {
      this.#settle(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#waiting--;
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
