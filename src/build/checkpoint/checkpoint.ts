// A checkpoint: its tensors by name, in one file or in the shards that an index lists. One tensor is in memory at a time.
import { FastvError } from '../../errors.js';
import { checkLocation } from '../../onnx/external.js';
import { printable } from '../../printable.js';
import { Config, isObject } from './config.js';
import type { CheckpointFiles } from './files.js';
import { readSafetensors } from './safetensors.js';
import { broken, type RandomAccess, type StoredTensor } from './stored-tensor.js';
import { readTorchArchive } from './torch-archive.js';

/** The files that weights lie in, the preferred first, and what reads their tables of contents. */
const FORMATS = [
  { file: 'model.safetensors', read: readSafetensors },
  { file: 'pytorch_model.bin', read: readTorchArchive },
] as const;

type ReadTable = (file: RandomAccess) => Promise<Map<string, StoredTensor>>;

interface Entry {
  readonly file: RandomAccess;
  readonly tensor: StoredTensor;
}

/** An opened checkpoint; whoever opened it closes it. */
export class Checkpoint {
  readonly where: string;
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #files: readonly RandomAccess[];
  /** The tensor that was read last: parts of one tensor are asked for one after the other. */
  #last: { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;

  private constructor(where: string, entries: ReadonlyMap<string, Entry>, files: readonly RandomAccess[]) {
    this.where = where;
    this.#entries = entries;
    this.#files = files;
  }

  /**
   * Opens a checkpoint and checks its tables of contents; no weight is read.
   * @throws {FastvError} `malformed-model`, `io`
   */
  static async open(files: CheckpointFiles): Promise<Checkpoint> {
    const opened: RandomAccess[] = [];
    try {
      return new Checkpoint(files.where, await readTables(files, opened), opened);
    } catch (cause) {
      for (const file of opened) file.close();
      throw cause;
    }
  }

  /** The names of all tensors. */
  get names(): Iterable<string> {
    return this.#entries.keys();
  }

  /** What a table of contents says of a tensor; undefined where there is none of this name. */
  find(name: string): StoredTensor | undefined {
    return this.#entries.get(name)?.tensor;
  }

  /** A tensor's bytes, as the file has them. @throws {FastvError} `io` */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#last?.name === name) return this.#last.bytes;
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new RangeError(`there is no tensor ${name}`);
    this.#last = undefined; // makes room
    const bytes = await entry.file.read(entry.tensor.offset, entry.tensor.length);
    this.#last = { name, bytes };
    return bytes;
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#last = undefined;
  }
}

async function readTables(files: CheckpointFiles, opened: RandomAccess[]): Promise<Map<string, Entry>> {
  const table = async (name: string, read: ReadTable): Promise<Map<string, Entry>> => {
    const file = await files.open(name);
    opened.push(file);
    return new Map([...(await read(file))].map(([tensor, stored]) => [tensor, { file, tensor: stored }]));
  };
  for (const { file, read } of FORMATS) {
    const index = `${file}.index.json`;
    if (files.names.includes(index)) {
      const entries = new Map<string, Entry>();
      const shards = shardsOf(await files.text(index), `${files.where}/${index}`);
      for (const [shard, tensors] of shards) {
        if (!files.names.includes(shard)) {
          throw broken(`${files.where}/${index}`, `the index lists ${printable(shard)}, which is absent`);
        }
        const found = await table(shard, read);
        for (const name of tensors) {
          const entry = found.get(name);
          if (entry === undefined) {
            throw broken(
              `${files.where}/${shard}`,
              `the index says that "${printable(name)}" is in this file, and it is not`,
            );
          }
          entries.set(name, entry);
        }
      }
      return entries;
    }
    if (files.names.includes(file)) return table(file, read);
  }
  throw new FastvError(
    'io',
    'there are no weights: neither model.safetensors nor pytorch_model.bin, nor an index',
    {
      where: files.where,
      hint: 'Give a checkpoint as transformers saves it.',
    },
  );
}

/** The tensors of each shard. */
function shardsOf(text: string, where: string): Map<string, string[]> {
  const map = Config.parse(text, where).fields['weight_map'];
  if (!isObject(map)) throw broken(where, 'the index has no "weight_map"');
  const shards = new Map<string, string[]>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string') throw broken(where, `the index has no file for "${printable(tensor)}"`);
    checkLocation(file, tensor);
    const known = shards.get(file);
    if (known === undefined) shards.set(file, [tensor]);
    else known.push(tensor);
  }
  return shards;
}
