/** What `fastv inspect` says of a folder: the model's parts, their dtypes and sizes, and what pruning saves in theory. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileName, PART_DTYPES, PARTS } from '../../build/part-names.js';
import { compareCost, shapeOfDecoder } from '../../cost/index.js';
import { FastvError } from '../../errors.js';
import { readModelFile } from '../../files/model-file.js';
import { bytes, percent } from '../format.js';
import type { Terminal } from '../terminal.js';

/** A prompt as the paper counts it: LLaVA-1.5's picture and a short question. */
const PROMPT = { image: 576, text: 36 } as const;
const STAGE = { layer: 2, ratio: 0.5 } as const;

interface Part {
  readonly part: string;
  readonly dtype: string;
  readonly file: string;
  /** Of the graph and its data files. */
  readonly bytes: number;
}

/** Prints what a model's folder is made of. @throws {FastvError} `io` if it has no decoder */
export async function inspectFolder(folder: string, terminal: Terminal): Promise<void> {
  const onnx = join(folder, 'onnx');
  const files = namesIn(onnx);
  const parts = files.flatMap((file) => partOf(file, onnx, files));
  const decoders = parts.filter(({ part }) => part === 'decoder_model_merged');
  const [decoder] = decoders;
  if (decoder === undefined) {
    throw new FastvError('io', 'the folder holds no model: there is no onnx/decoder_model_merged.onnx', {
      where: folder,
      hint: 'Give a folder as `fastv build` writes it, or a decoder file.',
    });
  }
  const { model } = await readModelFile(join(onnx, decoder.file), { checkData: false });
  const { prefill } = compareCost(shapeOfDecoder(model), PROMPT, [STAGE]);
  const saved = 1 - prefill.after.total / prefill.before.total;
  terminal.result({ folder, parts, prompt: PROMPT, stage: STAGE, flopsSaved: saved }, () =>
    [
      ...parts.map(({ part, dtype, bytes: size }) => `${part}  ${dtype}  ${bytes(size)}`),
      `K = ${STAGE.layer}, R = ${percent(STAGE.ratio)} saves ${percent(saved)} of the decoder's prefill FLOPs in theory (${PROMPT.image} image tokens, ${PROMPT.text} others)`,
    ].join('\n'),
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // said by who asks
  }
}

function partOf(file: string, folder: string, files: readonly string[]): Part[] {
  for (const part of PARTS) {
    for (const dtype of PART_DTYPES) {
      if (file !== fileName(part, dtype)) continue;
      const own = files.filter((name) => name === file || name.startsWith(`${file}_data`));
      const size = own.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
      return [{ part, dtype, file, bytes: size }];
    }
  }
  return [];
}
