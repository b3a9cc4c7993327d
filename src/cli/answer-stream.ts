/** An answer that is printed as it comes: without the space before it and the blank lines after it. */
export class AnswerStream {
  readonly #write: (text: string) => void;
  #begun = false;
  /** Spaces that are printed only if something follows. */
  #held = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Takes the next piece. */
  add(piece: string): void {
    const text = this.#held + (this.#begun ? piece : piece.trimStart());
    const printed = text.trimEnd();
    this.#held = text.slice(printed.length);
    if (printed === '') return;
    this.#begun = true;
    this.#write(printed);
  }
}
