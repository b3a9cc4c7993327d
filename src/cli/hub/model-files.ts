/** Which files of a repository a model in one dtype consists of, by Transformers.js's names. */
import { DTYPE_SUFFIXES } from '../../dtypes.js';
import { FastvError } from '../../errors.js';

/** A file of a repository on the hub, as `api/models/<name>/tree` lists it. */
export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 of large files, else the SHA-1 that git gives a blob. */
  readonly digest: { readonly kind: 'sha256' | 'git-sha1'; readonly value: string };
}

/** Parts of a decoder that older exports have besides the merged one, and that nothing loads. */
const UNUSED = new Set(['decoder_model', 'decoder_with_past_model', 'model']);

interface Part {
  readonly part: string;
  readonly dtype: string;
  readonly file: HubFile;
}

/**
 * The files to fetch: configuration, tokenizer, and every part in that dtype with its external data.
 * @throws {FastvError} `invalid-input` if this is no image-text model in Transformers.js's layout, `invalid-option` with
 *   the dtypes there are if a part is not there in this one
 */
export function filesOfModel(files: readonly HubFile[], model: string, dtype: string): readonly HubFile[] {
  const parts = files.flatMap(partOf).filter(({ part }) => !UNUSED.has(part));
  const names = [...new Set(parts.map(({ part }) => part))];
  if (!names.includes('decoder_model_merged')) {
    throw new FastvError('invalid-input', 'this model has no decoder that Transformers.js could load', {
      where: model,
      hint: 'It needs onnx/decoder_model_merged.onnx; many models have it in a repository of onnx-community.',
    });
  }
  const wanted = parts.filter((one) => one.dtype === dtype);
  const lacking = names.filter((name) => !wanted.some(({ part }) => part === name));
  if (lacking.length > 0) {
    const all = Object.keys(DTYPE_SUFFIXES).filter((one) =>
      names.every((name) => parts.some(({ part, dtype: its }) => part === name && its === one)),
    );
    throw new FastvError('invalid-option', `the model has no ${lacking.join(', ')} in ${dtype}`, {
      where: '--dtype',
      hint: `it has all parts in ${all.join(', ')}`,
    });
  }
  const small = files.filter(({ path }) => /^[\w.-]+\.(?:json|txt|jinja|model)$/u.test(path));
  return [...small, ...wanted.map(({ file }) => file)];
}

/** Bytes of a whole model by dtype, of those dtypes that all parts have. */
export function bytesByDtype(files: readonly HubFile[]): Readonly<Record<string, number>> {
  const parts = files.flatMap(partOf).filter(({ part }) => !UNUSED.has(part));
  const names = new Set(parts.map(({ part }) => part));
  return Object.fromEntries(
    Object.keys(DTYPE_SUFFIXES).flatMap((dtype) => {
      const own = parts.filter((one) => one.dtype === dtype);
      if (own.length === 0 || new Set(own.map(({ part }) => part)).size < names.size) return [];
      return [[dtype, own.reduce((sum, { file }) => sum + file.size, 0)]];
    }),
  );
}

/** What an ONNX file is: `onnx/decoder_model_merged_q4f16.onnx_data_1` is the decoder in q4f16. */
function partOf(file: HubFile): Part[] {
  const name = /^onnx\/([\w-]+)\.onnx(?:_data(?:_\d+)?)?$/u.exec(file.path)?.[1];
  if (name === undefined) return [];
  const [dtype = 'fp32', suffix = ''] =
    Object.entries(DTYPE_SUFFIXES).find(([, end]) => end !== '' && name.endsWith(end)) ?? [];
  return [{ part: name.slice(0, name.length - suffix.length), dtype, file }];
}
