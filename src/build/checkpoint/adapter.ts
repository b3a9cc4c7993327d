// A LoRA adapter as PEFT saves it, merged while the weights stream: W + B · A · scale, in float32 (Hu et al. 2021,
// arXiv 2106.09685; scale = alpha / r, with rank-stabilised LoRA alpha / √r).
import { FastvError } from '../../errors.js';
import { DataType } from '../../onnx/tensor.js';
import { printable } from '../../printable.js';
import { Source } from '../source.js';
import { Config } from './config.js';
import type { CheckpointFiles } from './files.js';
import { readSafetensors } from './safetensors.js';
import { FLOAT_FORMATS, type RandomAccess, type StoredTensor } from './stored-tensor.js';

const TENSOR =
  /^(?:base_model\.model\.)?(.+)\.lora_(A|B|embedding_A|embedding_B)(?:\.default)?(?:\.weight)?$/u;

interface Pair {
  readonly a: string;
  readonly b: string;
}

/** An opened adapter; whoever opened it closes it. */
export class Adapter {
  readonly #file: RandomAccess;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #pairs: ReadonlyMap<string, Pair>;
  readonly #config: Config;
  readonly #used = new Set<string>();

  private constructor(file: RandomAccess, tensors: ReadonlyMap<string, StoredTensor>, config: Config) {
    this.#file = file;
    this.#tensors = tensors;
    this.#config = config;
    this.#pairs = pairsOf(tensors, file.where);
  }

  /** @throws {FastvError} `unsupported-decoder` for adapters that are more than LoRA; `malformed-model`, `io` */
  static async open(files: CheckpointFiles): Promise<Adapter> {
    const config = Config.parse(
      await files.text('adapter_config.json'),
      `${files.where}/adapter_config.json`,
    );
    refuseOthers(config);
    const file = await files.open('adapter_model.safetensors');
    try {
      return new Adapter(file, await readSafetensors(file), config);
    } catch (cause) {
      file.close();
      throw cause;
    }
  }

  /** A weight with the adapter's change; undefined where it has none for it. */
  apply(weight: Source): Source | undefined {
    const key = [...names(weight.name)].find((name) => this.#pairs.has(name));
    const pair = key === undefined ? undefined : this.#pairs.get(key);
    if (key === undefined || pair === undefined) return undefined;
    this.#used.add(key);
    const [outputs = 0, inputs = 0] = weight.dims;
    const [a, b] = [this.#tensors.get(pair.a), this.#tensors.get(pair.b)];
    const rank = a?.dims[0] ?? 0;
    const fits = a?.dims.join() === [rank, inputs].join() && b?.dims.join() === [outputs, rank].join();
    if (weight.dims.length !== 2 || a === undefined || b === undefined || !fits) {
      throw this.#refuse(
        `the adapter's matrices for "${weight.name}" are [${a?.dims.join(', ') ?? ''}] and [${b?.dims.join(', ') ?? ''}], which do not fit [${weight.dims.join(', ')}]`,
      );
    }
    const scale = this.#scale(key, rank);
    return new Source(weight.name, weight.dims, DataType.FLOAT, async () => {
      const [down, up] = [await this.#floats(pair.a, a), await this.#floats(pair.b, b)];
      const sum = Float32Array.from(await weight.floats());
      addProduct(sum, up, down, { outputs, inputs, rank, scale });
      return new Uint8Array(sum.buffer);
    });
  }

  /** @throws {FastvError} `malformed-model` naming matrices that belong to no weight */
  refuseUnused(): void {
    const [first] = [...this.#pairs.keys()].filter((name) => !this.#used.has(name));
    if (first === undefined) return;
    throw this.#refuse(`the adapter changes "${printable(first)}", which the checkpoint does not have`);
  }

  close(): void {
    this.#file.close();
  }

  /** alpha / r, where a module may have its own of both. */
  #scale(name: string, rank: number): number {
    const own = (pattern: string, otherwise: string): number => {
      const fields = this.#config.section(pattern).fields;
      const key = Object.keys(fields).find((one) => name === one || name.endsWith(`.${one}`));
      return key === undefined ? this.#config.number(otherwise) : this.#config.section(pattern).number(key);
    };
    const alpha = own('alpha_pattern', 'lora_alpha');
    const declared = own('rank_pattern', 'r');
    if (declared !== rank) throw this.#refuse(`the rank of "${name}" is ${rank}, and said to be ${declared}`);
    return alpha / (this.#config.flag('use_rslora', false) ? Math.sqrt(rank) : rank);
  }

  async #floats(name: string, stored: StoredTensor): Promise<Float32Array> {
    const format = FLOAT_FORMATS.get(stored.format);
    if (format === undefined) throw this.#refuse(`"${printable(name)}" holds ${stored.format}, not floats`);
    const read = (): Promise<Uint8Array<ArrayBuffer>> => this.#file.read(stored.offset, stored.length);
    return new Source(name, stored.dims, format.type, read).floats();
  }

  #refuse(message: string): FastvError {
    return new FastvError('malformed-model', message, {
      where: this.#file.where,
      hint: 'Give the adapter of this very model.',
    });
  }
}

/** The modules that a weight may be called in an adapter: layouts differ in what stands in front. */
function* names(weight: string): Generator<string> {
  const module = weight.replace(/\.weight$/u, '');
  yield module;
  // new names to old ones, and the other way
  yield module.replace(/^model\.language_model\./u, 'language_model.model.');
  yield module.replace(/^language_model\.model\./u, 'model.language_model.');
  yield module.replace(/^model\./u, 'model.language_model.');
  yield module.replace(/^model\.language_model\./u, 'model.');
  yield module.replace(/^model\./u, '');
  yield `model.${module}`;
  yield module.replace(/^language_model\.lm_head/u, 'lm_head');
}

function pairsOf(tensors: ReadonlyMap<string, StoredTensor>, where: string): Map<string, Pair> {
  const found = new Map<string, Partial<Record<'a' | 'b', string>>>();
  for (const tensor of tensors.keys()) {
    const [, module, which] = TENSOR.exec(tensor) ?? [];
    if (module === undefined || (which !== 'A' && which !== 'B')) {
      throw new FastvError(
        'unsupported-decoder',
        `the adapter has "${printable(tensor)}", which is no LoRA matrix of a linear layer`,
        {
          where,
          hint: 'Merge it in PEFT (merge_and_unload) and build the result.',
        },
      );
    }
    found.set(module, { ...found.get(module), [which === 'A' ? 'a' : 'b']: tensor });
  }
  const pairs = new Map<string, Pair>();
  for (const [module, { a, b }] of found) {
    if (a === undefined || b === undefined) {
      throw new FastvError(
        'malformed-model',
        `the adapter has one matrix of two for "${printable(module)}"`,
        { where },
      );
    }
    pairs.set(module, { a, b });
  }
  return pairs;
}

function refuseOthers(config: Config): void {
  if (config.text('peft_type') !== 'LORA') throw config.refuse('peft_type', '"LORA"', 'unsupported-decoder');
  for (const name of ['use_dora', 'fan_in_fan_out']) {
    if (config.flag(name, false)) throw config.refuse(name, 'false', 'unsupported-decoder');
  }
  if (config.text('bias', 'none') !== 'none') throw config.refuse('bias', '"none"', 'unsupported-decoder');
}

/** sum += scale · up · down, with sum [outputs, inputs], up [outputs, rank], down [rank, inputs]. */
function addProduct(
  sum: Float32Array,
  up: Float32Array,
  down: Float32Array,
  { outputs, inputs, rank, scale }: { outputs: number; inputs: number; rank: number; scale: number },
): void {
  for (let o = 0; o < outputs; o++) {
    for (let r = 0; r < rank; r++) {
      const factor = scale * (up[o * rank + r] ?? 0);
      for (let i = 0, s = o * inputs, d = r * inputs; i < inputs; i++, s++, d++) {
        sum[s] = (sum[s] ?? 0) + factor * (down[d] ?? 0);
      }
    }
  }
}
