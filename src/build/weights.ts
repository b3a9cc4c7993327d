// A checkpoint's tensors under the names that graphs ask for. Layouts differ in their prefixes: each part is looked for
// under the published names and under those that newer versions of transformers save. What is asked for and absent, of
// another shape, or there and never asked for is named.
import { FastvError } from '../errors.js';
import { printable } from '../printable.js';
import type { Adapter } from './checkpoint/adapter.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { FLOAT_FORMATS } from './checkpoint/stored-tensor.js';
import { Source } from './source.js';

/** Names that an error lists at most. */
const LISTED = 5;

/** All weights of a checkpoint. */
export class Weights {
  readonly checkpoint: Checkpoint;
  readonly adapter: Adapter | undefined;
  readonly #asked = new Set<string>();
  readonly #ignored: RegExp[] = [];

  constructor(checkpoint: Checkpoint, adapter?: Adapter) {
    this.checkpoint = checkpoint;
    this.adapter = adapter;
  }

  /** The weights under one of these prefixes. */
  under(...prefixes: readonly string[]): Scope {
    return new Scope(this, prefixes);
  }

  /** Leaves tensors alone whose names match: buffers, and what the graphs do not use. */
  ignore(pattern: RegExp): void {
    this.#ignored.push(pattern);
  }

  /** A tensor of the checkpoint, with the adapter's change where it has one. @throws {FastvError} */
  source(name: string, dims: readonly number[]): Source {
    this.#asked.add(name);
    const stored = this.checkpoint.find(name);
    const { where } = this.checkpoint;
    const refuse = (message: string, hint: string): FastvError =>
      new FastvError('malformed-model', message, { where, hint });
    const format = FLOAT_FORMATS.get(stored?.format ?? '');
    if (stored === undefined) throw new RangeError(`there is no tensor ${name}`);
    if (format === undefined) {
      throw refuse(
        `"${name}" holds ${stored.format}, not float32, float16 or bfloat16`,
        'Quantised checkpoints cannot be built: give the original one.',
      );
    }
    if (stored.dims.length !== dims.length || dims.some((dim, axis) => dim !== stored.dims[axis])) {
      throw refuse(
        `"${name}" has the shape ${shape(stored.dims)}, wanted is ${shape(dims)}`,
        'config.json and the weights are of different models.',
      );
    }
    const source = new Source(name, dims, format.type, () => this.checkpoint.read(name));
    return this.adapter?.apply(source) ?? source;
  }

  /** @throws {FastvError} `malformed-model` naming tensors that no graph asked for */
  refuseUnexpected(): void {
    const rest = [...this.checkpoint.names].filter(
      (name) => !this.#asked.has(name) && !this.#ignored.some((pattern) => pattern.test(name)),
    );
    const [first] = rest;
    if (first !== undefined) {
      const listed = rest
        .slice(0, LISTED)
        .map((name) => `"${printable(name)}" ${shape(this.checkpoint.find(name)?.dims ?? [])}`);
      throw new FastvError(
        'malformed-model',
        `the checkpoint has ${rest.length} tensors that this architecture does not: ${listed.join(', ')}${rest.length > LISTED ? ', …' : ''}`,
        {
          where: this.checkpoint.where,
          hint: 'They would change what it computes. Quantised checkpoints and adapters are not built like this: see docs/build.md.',
        },
      );
    }
    this.adapter?.refuseUnused();
  }
}

/** A part of the weights, under one of several prefixes. */
export class Scope {
  readonly #weights: Weights;
  readonly #prefixes: readonly string[];

  constructor(weights: Weights, prefixes: readonly string[]) {
    this.#weights = weights;
    this.#prefixes = prefixes;
  }

  /** The weights inside. */
  under(...prefixes: readonly string[]): Scope {
    return new Scope(
      this.#weights,
      this.#prefixes.flatMap((outer) => prefixes.map((inner) => outer + inner)),
    );
  }

  /** Whether a tensor is there. */
  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** A tensor. @throws {FastvError} `malformed-model` naming it and its shape, if it is absent or has another */
  get(name: string, ...dims: readonly number[]): Source {
    const found = this.#find(name);
    if (found !== undefined) return this.#weights.source(found, dims);
    const [first = '', ...others] = this.#prefixes.map((prefix) => prefix + name);
    const also = others.length === 0 ? '' : ` (nor ${others.join(', ')})`;
    throw new FastvError(
      'malformed-model',
      `the checkpoint has no tensor "${first}"${also} of shape ${shape(dims)}`,
      {
        where: this.#weights.checkpoint.where,
        hint: 'Check that all of its files are there, and that config.json belongs to them.',
      },
    );
  }

  /** A tensor that may be absent. */
  optional(name: string, ...dims: readonly number[]): Source | undefined {
    return this.has(name) ? this.get(name, ...dims) : undefined;
  }

  /** Leaves what begins like this alone. */
  ignore(...names: readonly string[]): void {
    for (const prefix of this.#prefixes) {
      for (const name of names) this.#weights.ignore(new RegExp(`^${escaped(prefix + name)}`, 'u'));
    }
  }

  #find(name: string): string | undefined {
    return this.#prefixes
      .map((prefix) => prefix + name)
      .find((full) => this.#weights.checkpoint.find(full) !== undefined);
  }
}

function shape(dims: readonly number[]): string {
  return `[${dims.join(', ')}]`;
}

function escaped(text: string): string {
  return text.replace(/[$()*+.?[\\\]^{|}]/gu, String.raw`\$&`);
}
