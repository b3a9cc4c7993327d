// An answer in its parts while it comes: text, and calls of functions as src/server/tools.ts has them written.
import { CALL_END, CALL_START } from './tools.js';

/** A piece of an answer. */
export type AnswerPart =
  | { readonly kind: 'text'; readonly text: string }
  /** A call begins. */
  | { readonly kind: 'call'; readonly name: string }
  /** More of the arguments of the call that began last. */
  | { readonly kind: 'arguments'; readonly text: string };

const HEAD = /^<tool_call>\n\{"name": "([\w-]+)", "arguments": /u;

/** Takes an answer apart. */
export class AnswerParts {
  readonly #calls: boolean;
  #buffer = '';
  #place: 'text' | 'head' | 'arguments' | 'tail' = 'text';
  /** Of the arguments: brackets that are open, and whether a string is. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #begun = 0;

  /** @param calls whether there may be calls; without, all is text */
  constructor(calls: boolean) {
    this.#calls = calls;
  }

  /** Calls that have begun. */
  get calls(): number {
    return this.#begun;
  }

  /** Takes the next text of the answer. @returns what is certain now */
  add(text: string): AnswerPart[] {
    if (!this.#calls) return text === '' ? [] : [{ kind: 'text', text }];
    this.#buffer += text;
    const parts: AnswerPart[] = [];
    for (let part = this.#next(); part !== undefined; part = this.#next()) {
      if (part.kind === 'call' || part.text !== '') parts.push(part);
    }
    return parts;
  }

  /** Ends the answer. @returns the rest of its text; of a call that was cut short in its name, nothing */
  end(): AnswerPart[] {
    const text = this.#place === 'text' ? this.#buffer : '';
    this.#buffer = '';
    return text.trim() === '' ? [] : [{ kind: 'text', text }];
  }

  /** The next part; undefined if more must come first. */
  #next(): AnswerPart | undefined {
    switch (this.#place) {
      case 'text':
        return this.#text();
      case 'head': {
        const [head, name] = HEAD.exec(this.#buffer) ?? [];
        if (head === undefined || name === undefined) return undefined;
        this.#buffer = this.#buffer.slice(head.length);
        this.#place = 'arguments';
        this.#begun++;
        return { kind: 'call', name };
      }
      case 'arguments':
        return this.#arguments();
      case 'tail':
        if (this.#buffer.length < CALL_END.length) return undefined;
        this.#buffer = this.#buffer.slice(CALL_END.length);
        this.#place = 'text';
        return { kind: 'text', text: '' };
    }
  }

  #text(): AnswerPart | undefined {
    const at = this.#buffer.indexOf(CALL_START);
    if (at >= 0) this.#place = 'head';
    // what a call may begin with is held back, and white space with it, which may only part two calls
    const held = at >= 0 ? at : this.#buffer.length - heldLength(this.#buffer);
    const text = at >= 0 ? this.#buffer.slice(0, held).trimEnd() : this.#buffer.slice(0, held);
    this.#buffer = this.#buffer.slice(held);
    if (at < 0 && text === '') return undefined;
    return { kind: 'text', text: text.trim() === '' ? '' : text };
  }

  #arguments(): AnswerPart | undefined {
    if (this.#buffer === '') return undefined;
    let end = 0;
    for (; end < this.#buffer.length; end++) {
      const character = this.#buffer[end] ?? '';
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString) {
        if (character === '\\') this.#escaped = true;
        else if (character === '"') this.#inString = false;
      } else if (character === '"') this.#inString = true;
      else if (character === '{' || character === '[') this.#depth++;
      else if ((character === '}' || character === ']') && --this.#depth === 0) {
        this.#place = 'tail';
        end++;
        break;
      }
    }
    const text = this.#buffer.slice(0, end);
    this.#buffer = this.#buffer.slice(end);
    return { kind: 'arguments', text };
  }
}

/** Characters at the end that may turn out to be no text: white space, and the beginning of a call. */
function heldLength(text: string): number {
  let length = Math.min(CALL_START.length - 1, text.length);
  while (length > 0 && !CALL_START.startsWith(text.slice(-length))) length--;
  const before = text.slice(0, text.length - length);
  return length + before.length - before.trimEnd().length;
}
