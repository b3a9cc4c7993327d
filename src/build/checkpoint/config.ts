// A config.json, read field by field: each with its type, its bounds, and the default of the class that the published
// file leaves it to.
import { FastvError } from '../../errors.js';

/** The largest whole number that a size in a configuration may be. */
const MOST = 2 ** 24;

/** The longest text: the index of some ten thousand tensors has some megabytes. */
const MOST_TEXT = 2 ** 23;

/** A JSON object with the place that it came from, for error messages. */
export class Config {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly where: string;

  constructor(fields: Readonly<Record<string, unknown>>, where: string) {
    this.fields = fields;
    this.where = where;
  }

  /** @throws {FastvError} `malformed-model` if the text is no JSON object */
  static parse(text: string, where: string): Config {
    if (text.length > MOST_TEXT) {
      const message = `this has ${text.length} characters, at most ${MOST_TEXT} are read`;
      throw new FastvError('malformed-model', message, { where });
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    if (!isObject(value)) throw new FastvError('malformed-model', 'this is no JSON object', { where });
    return new Config(value, where);
  }

  /** Whether a field is there, and is not null. */
  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  /** A whole number of at least 1, or `least`. */
  int(name: string, otherwise?: number, least = 1): number {
    const is = (value: unknown): value is number =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= MOST;
    return this.#value(name, otherwise, is, `a whole number from ${least} to ${MOST}`);
  }

  /** A finite number. */
  number(name: string, otherwise?: number): number {
    const is = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
    return this.#value(name, otherwise, is, 'a number');
  }

  text(name: string, otherwise?: string): string {
    return this.#value(name, otherwise, (value) => typeof value === 'string', 'a text');
  }

  flag(name: string, otherwise?: boolean): boolean {
    return this.#value(name, otherwise, (value) => typeof value === 'boolean', 'true or false');
  }

  /** Whole numbers, negative ones too. */
  ints(name: string, otherwise?: readonly number[]): readonly number[] {
    const is = (value: unknown): value is readonly number[] =>
      Array.isArray(value) && value.length <= 4096 && value.every((entry) => Number.isSafeInteger(entry));
    return this.#value(name, otherwise, is, 'a list of whole numbers');
  }

  /** A whole number, or a list of one or two equal ones: sides of squares are written both ways. */
  side(name: string, otherwise?: number): number {
    const value = this.#get(name);
    if (!Array.isArray(value)) return this.int(name, otherwise);
    const [side, ...others] = this.ints(name);
    if (side === undefined || side < 1 || side > MOST || others.some((other) => other !== side)) {
      throw this.refuse(name, 'a whole number, or two equal ones');
    }
    return side;
  }

  /** An object inside; empty if it is absent. */
  section(name: string): Config {
    const value = this.#get(name) ?? {};
    if (!isObject(value)) throw this.refuse(name, 'an object');
    return new Config(value, `${this.where}, ${name}`);
  }

  /** The error of a field with an unexpected value. */
  refuse(
    name: string,
    expected: string,
    code: 'malformed-model' | 'unsupported-decoder' = 'malformed-model',
  ): FastvError {
    const value = this.#get(name);
    const is = value === undefined ? 'is missing' : `is ${JSON.stringify(value).slice(0, 100)}`;
    return new FastvError(code, `"${name}" ${is}; expected is ${expected}`, { where: this.where });
  }

  #get(name: string): unknown {
    const value = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
    return value === null ? undefined : value;
  }

  #value<T>(name: string, otherwise: T | undefined, is: (value: unknown) => value is T, expected: string): T {
    const value = this.#get(name) ?? otherwise;
    if (!is(value)) throw this.refuse(name, expected);
    return value;
  }
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
