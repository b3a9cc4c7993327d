// How many bytes a model of the hub takes, by its weights, before any of them is fetched.
import { DTYPE_SUFFIXES } from '../../src/dtypes.js';
import type { Dtype } from './engine/types.js';
import { DTYPES } from './settings.js';

const PARTS = ['decoder_model_merged', 'embed_tokens', 'vision_encoder'];
/** The hub's list of a repository is at most so long, in characters. */
const LONGEST = 4_000_000;

/**
 * Bytes by dtype, of those that the repository has.
 * @throws {Error} in words for the page: no such repository, no network, too many requests
 */
export async function sizesOf(name: string): Promise<ReadonlyMap<Dtype, number>> {
  let response: Response;
  try {
    response = await fetch(`https://huggingface.co/api/models/${name}?blobs=true`);
  } catch {
    throw new Error('The Hugging Face hub cannot be reached.');
  }
  // the hub answers 401 for what does not exist, since it may be hidden
  if (response.status === 401 || response.status === 403 || response.status === 404)
    throw new Error(`The hub has no public model ${name}, or it has terms that must be accepted there.`);
  if (response.status === 429) throw new Error('The hub says: too many requests. Try again in a minute.');
  if (!response.ok) throw new Error(`The hub answers ${response.status}. Try again later.`);
  const text = await response.text();
  if (text.length > LONGEST) throw new Error('The hub lists more files than a model has.');
  return sizesIn(JSON.parse(text));
}

/** The sizes in what the hub says of a repository. */
export function sizesIn(said: unknown): ReadonlyMap<Dtype, number> {
  const files = new Map<string, number>();
  const siblings: unknown =
    typeof said === 'object' && said !== null && 'siblings' in said ? said.siblings : [];
  for (const file of Array.isArray(siblings) ? (siblings as unknown[]) : []) {
    if (typeof file !== 'object' || file === null || !('rfilename' in file) || !('size' in file)) continue;
    if (typeof file.rfilename === 'string' && typeof file.size === 'number')
      files.set(file.rfilename, file.size);
  }
  const sizes = new Map<Dtype, number>();
  for (const dtype of DTYPES) {
    const parts = PARTS.map((part) => {
      const graph = `onnx/${part}${DTYPE_SUFFIXES[dtype]}.onnx`;
      const data = [...files].filter(([file]) => file === graph || file.startsWith(`${graph}_data`));
      return data.some(([file]) => file === graph) ? data.reduce((sum, [, size]) => sum + size, 0) : 0;
    });
    if (parts.every((size) => size > 0))
      sizes.set(
        dtype,
        parts.reduce((a, b) => a + b),
      );
  }
  return sizes;
}
