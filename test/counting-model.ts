// The embedded model with a decoder that is told no positions: it counts them by the mask's length, as some exports do,
// and so cannot have rows that are padded on the left.
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { allNames, concatChunks, decodeModel, editModel, Emitter, encodeModel } from '../src/onnx/index.js';
import { EMBEDDED_MODEL } from '../src/runtime/embedded.js';

/** Writes it into a folder: full precision only. */
export async function writeCountingModel(folder: string): Promise<void> {
  const filter = (path: string): boolean => !path.endsWith('_quantized.onnx');
  await cp(EMBEDDED_MODEL, folder, { recursive: true, filter });
  const path = join(folder, 'onnx', 'decoder_model_merged.onnx');
  const model = decodeModel(new Uint8Array(await readFile(path)));
  model.graph.input = model.graph.input.filter(({ name }) => name !== 'position_ids');
  const emit = new Emitter(21, allNames(model.graph));
  const [total, sequence] = [emit.dim('attention_mask', 1), emit.dim('inputs_embeds', 1)];
  const places = emit.op('Add', [emit.range(sequence), emit.op('Sub', [total, sequence])]);
  const shape = emit.concat([emit.dim1('inputs_embeds', 0), emit.ints(1)], 0);
  const rows = emit.op('Expand', [places, shape]);
  emit.op('Reshape', [rows, emit.ints(0, -1)], { output: 'position_ids' });
  await writeFile(path, concatChunks(encodeModel(editModel(model, { emit }))));
}
