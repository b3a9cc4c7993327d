/**
 * Results in memory. Most of what a result says is said by many: its sample's prompt, answers and place by every condition, a
 * short reply by thousands. Each such text is held once, so that a million results fit where a hundred thousand did.
 */
import type { Result } from './result.js';

/** Texts longer than these are mostly one of a kind. */
const LONGEST = 2_000;

/** Makes results share their texts with those before. */
export class SharedTexts {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();

  /** The same result, its texts shared; what else it holds stays. */
  share(result: Result): Result {
    const { answers } = result;
    return {
      ...result,
      condition: this.#text(result.condition),
      task: this.#text(result.task),
      sample: this.#text(result.sample),
      prompt: this.#text(result.prompt),
      prediction: this.#text(result.prediction),
      answers: Array.isArray(answers) ? this.#list(answers) : answers,
      category: this.#textOrNull(result.category),
      group: this.#textOrNull(result.group),
      where: this.#text(result.where),
      ...(result.image === undefined ? {} : { image: this.#text(result.image) }),
    };
  }

  #text(text: string): string {
    if (typeof text !== 'string' || text.length > LONGEST) return text; // the file may be anybody's
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    this.#texts.set(text, text);
    return text;
  }

  #textOrNull(text: string | null): string | null {
    return text === null ? null : this.#text(text);
  }

  #list(list: readonly string[]): readonly string[] {
    const name = JSON.stringify(list);
    const known = this.#lists.get(name);
    if (known !== undefined) return known;
    const own = list.map((text) => this.#text(text));
    this.#lists.set(name, own);
    return own;
  }
}
