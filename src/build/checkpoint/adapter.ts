// A LoRA adapter as PEFT saves it, merged while the weights stream: W + B · A · scale, in float32 (Hu et al. 2021,
// arXiv 2106.09685; scale = alpha / r, with rank-stabilised LoRA alpha / √r).
import { FastvError } from '../../errors.js';
import { DataType } from '../../onnx/tensor.js';
import { printable } from '../../printable.js';
import { Source } from '../source.js';
import { Config } from './config.js';
import type { CheckpointFiles } from './files.js';
import { readSafetensors } from './safetensors.js';
import { readTorchArchive } from './torch-archive.js';
import { FLOAT_FORMATS, type RandomAccess, type StoredTensor } from './stored-tensor.js';

const TENSOR =
  /^(?:base_model\.model\.)?(.+)\.lora_(A|B|embedding_A|embedding_B)(?:\.default)?(?:\.weight)?$/u;

/** A weight that was trained as a whole (`modules_to_save`). */
const WHOLE = /^(?:base_model\.model\.)?(.+?)(?:\.modules_to_save)?(?:\.default)?\.(?:weight|bias)$/u;

interface Pair {
  readonly a: string;
  readonly b: string;
}

/** An opened adapter; whoever opened it closes it. */
export class Adapter {
  readonly #file: RandomAccess;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #pairs: ReadonlyMap<string, Pair>;
  /** Tensors in the place of the checkpoint's, by its names less `.weight`. */
  readonly #whole: ReadonlyMap<string, string>;
  readonly #config: Config;
  readonly #used = new Set<string>();

  private constructor(file: RandomAccess, tensors: ReadonlyMap<string, StoredTensor>, config: Config) {
    this.#file = file;
    this.#tensors = tensors;
    this.#config = config;
    const saved = savedModules(config);
    const wholes = [...tensors.keys()].flatMap((name) => {
      const [, module = ''] = WHOLE.exec(name) ?? [];
      return saved.has(module.split('.').at(-1) ?? '') ? [[named(module, name), name] as const] : [];
    });
    this.#whole = new Map(wholes);
    const rest = new Set(this.#whole.values());
    this.#pairs = pairsOf(new Map([...tensors].filter(([name]) => !rest.has(name))), file.where);
  }

  /** @throws {FastvError} `unsupported-decoder` for adapters that are more than LoRA; `malformed-model`, `io` */
  static async open(files: CheckpointFiles): Promise<Adapter> {
    const config = Config.parse(
      await files.text('adapter_config.json'),
      `${files.where}/adapter_config.json`,
    );
    refuseOthers(config);
    const pickled = 'adapter_model.bin';
    const old = files.names.includes(pickled) && !files.names.includes('adapter_model.safetensors');
    const file = await files.open(old ? pickled : 'adapter_model.safetensors');
    try {
      const tensors = await (old ? readTorchArchive(file) : readSafetensors(file));
      return new Adapter(file, tensors, config);
    } catch (cause) {
      file.close();
      throw cause;
    }
  }

  /** A weight with the adapter's change; undefined where it has none for it. */
  apply(weight: Source): Source | undefined {
    const whole = [...names(weight.name)].find((name) => this.#whole.has(name));
    if (whole !== undefined) return this.#replaced(weight, whole);
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
    const [first] = [...this.#pairs.keys(), ...this.#whole.keys()].filter((name) => !this.#used.has(name));
    if (first === undefined) return;
    throw this.#refuse(`the adapter changes "${printable(first)}", which the checkpoint does not have`);
  }

  close(): void {
    this.#file.close();
  }

  /** What was trained in the place of a weight. */
  #replaced(weight: Source, key: string): Source {
    const name = this.#whole.get(key) ?? '';
    const stored = this.#tensors.get(name);
    if (stored?.dims.join() !== weight.dims.join()) {
      throw this.#refuse(
        `the adapter's "${printable(name)}" is [${stored?.dims.join(', ') ?? ''}], in the place of [${weight.dims.join(', ')}]`,
      );
    }
    this.#used.add(key);
    return new Source(weight.name, weight.dims, DataType.FLOAT, async () => {
      const values = Float32Array.from(await this.#floats(name, stored));
      return new Uint8Array(values.buffer);
    });
  }

  /** alpha / r, where a module may have its own of both. */
  #scale(name: string, rank: number): number {
    const own = (pattern: string, otherwise: string): number => {
      const fields = this.#config.section(pattern).fields;
      const strange = Object.keys(fields).find((one) => !/^[\w.]+$/u.test(one));
      if (strange !== undefined) {
        throw this.#config.refuse(pattern, 'names of modules, no regular expressions', 'unsupported-decoder');
      }
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

/** The modules that were trained as a whole, by the last part of their names. */
function savedModules(config: Config): ReadonlySet<string> {
  const given: unknown = config.fields['modules_to_save'] ?? [];
  if (!Array.isArray(given)) throw config.refuse('modules_to_save', 'a list of names');
  return new Set(given.filter((name) => typeof name === 'string'));
}

/** A module's name as {@link names} gives it: biases keep theirs. */
function named(module: string, tensor: string): string {
  return tensor.endsWith('.bias') ? `${module}.bias` : module;
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
  for (const name of ['layer_replication', 'trainable_token_indices', 'target_parameters']) {
    const given: unknown = config.fields[name] ?? [];
    if (!Array.isArray(given) || given.length > 0) throw config.refuse(name, 'null', 'unsupported-decoder');
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
