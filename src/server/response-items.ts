// The output of a response: messages and calls of functions as they come, and the events that tell of them.
import { randomUUID } from 'node:crypto';
import type { AnswerPart } from './answer-parts.js';

/** Tells a reader what happens. */
export type Send = (type: string, more: object) => void;

/** How a response, or an item of it, ended. */
export type ItemStatus = 'completed' | 'incomplete';

/** A message or a call. */
interface Item {
  readonly id: string;
  /** What is called; undefined for a message. */
  readonly called: { readonly id: string; readonly name: string } | undefined;
  /** Of a message its text, of a call its arguments. */
  text: string;
  status: ItemStatus | 'in_progress';
}

/** Items while they come: one ends before the next one begins. */
export class ResponseItems {
  readonly #send: Send;
  readonly #items: Item[] = [];

  constructor(send: Send) {
    this.#send = send;
  }

  /** The items, as they are told. */
  get output(): object[] {
    return this.#items.map(told);
  }

  /** Begins a message. */
  beginMessage(): void {
    const item: Item = { id: `msg_${randomUUID()}`, called: undefined, text: '', status: 'in_progress' };
    this.#begin(item);
    this.#send('response.content_part.added', { ...this.#place(item), part: outputText('') });
  }

  /** Takes the next part of the answer. */
  take(part: AnswerPart): void {
    if (part.kind === 'call') {
      this.#end('completed');
      const called = { id: `call_${randomUUID()}`, name: part.name };
      this.#begin({ id: `fc_${randomUUID()}`, called, text: '', status: 'in_progress' });
      return;
    }
    if (part.kind === 'text') {
      if (this.#last?.called !== undefined) this.#end('completed');
      if (this.#last?.status !== 'in_progress') this.beginMessage();
    }
    const item = this.#last;
    if (item === undefined || part.text === '') return;
    item.text += part.text;
    const delta = { ...this.#place(item), delta: part.text };
    if (item.called === undefined) this.#send('response.output_text.delta', { ...delta, logprobs: [] });
    else this.#send('response.function_call_arguments.delta', delta);
  }

  /** The answer is over; one that said nothing is an empty message. */
  end(status: ItemStatus): void {
    if (this.#items.length === 0) this.beginMessage();
    this.#end(status);
  }

  get #last(): Item | undefined {
    return this.#items.at(-1);
  }

  #begin(item: Item): void {
    this.#items.push(item);
    this.#send('response.output_item.added', {
      output_index: this.#items.length - 1,
      item: item.called === undefined ? { ...told(item), content: [] } : told(item),
    });
  }

  #end(status: ItemStatus): void {
    const item = this.#last;
    if (item?.status !== 'in_progress') return;
    item.status = status;
    const { text, called } = item;
    const place = this.#place(item);
    if (called === undefined) {
      this.#send('response.output_text.done', { ...place, text, logprobs: [] });
      this.#send('response.content_part.done', { ...place, part: outputText(text) });
    } else
      this.#send('response.function_call_arguments.done', { ...place, name: called.name, arguments: text });
    this.#send('response.output_item.done', { output_index: this.#items.length - 1, item: told(item) });
  }

  /** Where what is told of the last item belongs. */
  #place({ id, called }: Item): object {
    const place = { item_id: id, output_index: this.#items.length - 1 };
    return called === undefined ? { ...place, content_index: 0 } : place;
  }
}

function told({ id, called, text, status }: Item): object {
  return called === undefined
    ? { type: 'message', id, role: 'assistant', status, content: [outputText(text)] }
    : { type: 'function_call', id, call_id: called.id, name: called.name, arguments: text, status };
}

function outputText(text: string): object {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}
