/**
 * What a command says, and where: results on stdout, everything else on stderr. With `--json` stdout holds exactly one
 * document, whatever happens (`fastv chat` alone prints a line of JSON an answer).
 */
import { printable } from '../printable.js';
import { Interrupts } from './interrupt.js';

/** How much a command says. */
export interface TerminalOptions {
  /** `--json`: results are for machines. */
  readonly json: boolean;
  /** `--quiet`: no notes, no progress. */
  readonly quiet: boolean;
  /** The signals that end the command. */
  readonly interrupts?: Interrupts;
}

/** A stream that a progress line is written to. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** Where one command's words go. */
export class Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly interrupts: Interrupts;
  #printed = false;

  constructor({ json, quiet, interrupts }: TerminalOptions) {
    this.json = json;
    this.interrupts = interrupts ?? new Interrupts(() => undefined);
    this.quiet = quiet;
  }

  /** Whether a result has been printed. */
  get printed(): boolean {
    return this.#printed;
  }

  /** Prints a result: the document with `--json`, else the text. */
  result(document: object, text: () => string): void {
    this.#printed = true;
    console.log(this.json ? JSON.stringify(document) : printable(text()));
  }

  /** Prints what there is to say of an answer that was streamed: the document, or one line that `--quiet` leaves out. */
  answered(document: object, facts: () => readonly string[]): void {
    this.#printed = true;
    if (this.json) console.log(JSON.stringify(document));
    else if (!this.quiet) console.log(`[${printable(facts().join(' · '))}]`);
  }

  /** Prints a part of a result that comes bit by bit; with `--json` nothing, since the document has it all. */
  stream(text: string): void {
    if (!this.json) process.stdout.write(printable(text));
  }

  /** Says something beside the result, with an end of line. */
  note(text: string): void {
    if (!this.quiet) process.stderr.write(`${printable(text)}\n`);
  }

  /** Says what the user should know although it goes on. */
  warn(text: string): void {
    process.stderr.write(`warning: ${printable(text)}\n`);
  }

  /** Whether somebody sits there who can be asked. */
  get interactive(): boolean {
    return process.stdin.isTTY && process.stderr.isTTY;
  }

  /** Where progress goes. */
  get progress(): ProgressStream {
    return this.quiet ? { write: () => true, isTTY: false } : process.stderr;
  }
}
